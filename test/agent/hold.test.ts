/** docs/agent-protocol.md, "Standing still": what a snapshot needs, with the agent as a process of this host. */
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { agentClient } from '../../src/agent/client.ts'
import { GuestError } from '../../src/errors.ts'
import { buildAgent, socketTransport, withAgent } from '../helpers/agent-process.ts'
import { shell, until } from '../helpers/agent-programs.ts'

buildAgent()

/** `T` is stopped, as of proc(5). */
const stateOf = (pid: number) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]

test('a greeting says what is there: nothing at first, then the programs that run', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    const first = await client.hello()
    t.true(first.release.length > 0)
    t.deepEqual([first.configured, first.held, first.sessions], [false, false, []])
    await client.configure({})
    const main = await client.start(shell('sleep 60', { main: true }))
    await client.hold()
    await client.detach()
    const second = agentClient(await agent.transport())
    const { configured, held, sessions } = await second.hello()
    t.deepEqual(
      { configured, held, sessions },
      {
        configured: true,
        held: true,
        sessions: [{ id: main.id, pid: main.pid, main: true, tty: false, ended: false }],
      },
    )
    second.close()
  }))

test('held programs stand still, and go on when they are released', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    const session = await client.start(shell('while :; do echo tick; sleep 0.01; done'))
    session.stdout.resume()
    await new Promise((resolve) => session.stdout.once('data', resolve))
    await client.hold()
    t.is(stateOf(session.pid), 'T')
    await t.throwsAsync(client.start(shell('true')), { message: /its guest gave EBUSY/ })
    await client.release({})
    await new Promise((resolve) => session.stdout.once('data', resolve))
    t.not(stateOf(session.pid), 'T')
    session.abandon()
    await session.wait()
  }))

test('the origin of a snapshot goes on over another connection, and not a byte is lost or doubled', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    const session = await client.start(
      shell('i=0; while [ $i -lt 4000 ]; do echo $i; i=$((i+1)); done; cat', { interactive: true }),
    )
    const output = text(session.stdout)
    session.stderr.resume()
    session.stdin.write('before ')
    for (let round = 0; round < 3; round++) {
      await sleep(20)
      await client.hold()
      await client.detach()
      session.stdin.write(`held ${round} `)
      client.reconnect(await agent.transport())
      await client.release({})
    }
    session.stdin.end('after\n')
    const lines = Array.from({ length: 4000 }, (_, i) => `${i}\n`).join('')
    t.is(await output, `${lines}before held 0 held 1 held 2 after\n`)
    t.is((await session.wait()).exitCode, 0)
  }))

test('what is asked of a program while it is held reaches it afterwards', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    const tty = { cols: 80, rows: 24 }
    const session = await client.start(
      shell('trap "stty size; exit 6" TERM; echo ready; while :; do sleep 0.02; done', { tty }),
    )
    let seen = ''
    session.stdout.on('data', (part) => {
      seen += part
    })
    await until(() => seen.includes('ready'))
    await client.hold()
    await client.detach()
    session.resize({ cols: 1, rows: 1 })
    session.resize({ cols: 120, rows: 30 })
    session.signal(15)
    client.reconnect(await agent.transport())
    await client.release({})
    t.is((await session.wait()).exitCode, 6)
    await until(() => seen.endsWith('30 120\r\n'))
    t.pass()
  }))

test('in a clone the main program goes on, and what others had started there is ended', (t) =>
  withAgent(t, async (agent) => {
    const origin = agentClient(await agent.transport())
    await origin.configure({})
    const main = await origin.start(shell('read line; echo "got $line"; exit 8', { main: true, interactive: true }))
    const other = await origin.start(shell('sleep 60'))
    await origin.hold()
    await origin.detach()

    const clone = agentClient(await agent.transport())
    const { sessions } = await clone.hello()
    t.deepEqual(
      sessions.map(({ id }) => id),
      [main.id, other.id],
    )
    const attached = clone.attach(sessions.find((session) => session.main)!.id)
    await clone.release({})
    await t.throwsAsync(clone.attach(other.id + 100).wait(), { instanceOf: GuestError, message: /not there any more/ })
    await until(() => !aliveAs(other.pid))
    attached.stdin.end('it\n')
    const [stdout, result] = await Promise.all([text(attached.stdout), attached.wait()])
    t.deepEqual([stdout, result.exitCode, attached.pid], ['got it\n', 8, main.pid])
  }))

const aliveAs = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a lost connection ends the programs of exec, while the main one waits for the next', (t) =>
  withAgent(t, async (agent) => {
    const socket = await agent.connect()
    const first = agentClient(socketTransport(socket))
    await first.configure({})
    const main = await first.start(shell('read line; echo late; exit 3', { main: true, interactive: true }))
    const other = await first.start(shell('sleep 60'))
    const lost = new Promise<Error>((resolve) => first.onLost(resolve))
    socket.destroy()
    t.regex((await lost).message, /ended the connection/)
    await t.throwsAsync(main.wait(), { instanceOf: GuestError })
    await until(() => !aliveAs(other.pid))
    const second = agentClient(await agent.transport())
    await second.hello()
    const again = second.attach(main.id)
    again.stdin.end('\n')
    const [stdout, { exitCode }] = await Promise.all([text(again.stdout), again.wait()])
    t.deepEqual([stdout, exitCode], ['late\n', 3])
  }))

test('a second connection waits until the first one is gone', (t) =>
  withAgent(t, async (agent) => {
    const first = agentClient(await agent.transport())
    await first.hello()
    const second = agentClient(await agent.transport())
    let greeted = false
    void second.hello().then(() => {
      greeted = true
    })
    await first.configure({})
    t.false(greeted)
    first.close()
    await second.hello()
    t.true(greeted)
  }))

test('a guest that is not to go on as what it was told to be stays held', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    await client.hold()
    await t.throwsAsync(client.release({ network: { mac: '02:00:00:00:00:01', address: '10.0.0.1', prefix: 33 } }), {
      message: /broke|ended the connection/,
    })
    const next = agentClient(await agent.transport())
    t.true((await next.hello()).held)
  }))
