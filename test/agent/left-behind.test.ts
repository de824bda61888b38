/** docs/agent-protocol.md, "The end": programs that let go of their streams, or leave them to others. */
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { encodeStart } from '../../src/agent/agent-process.ts'
import { agentClient } from '../../src/agent/client.ts'
import { frameReader } from '../../src/agent/frame-reader.ts'
import { encodeConfig } from '../../src/agent/guest-config.ts'
import { decodeExit, type Exited } from '../../src/agent/messages.ts'
import { OUTPUT_WINDOW } from '../../src/agent/output-stream.ts'
import { FRAME } from '../../src/agent/protocol.ts'
import { frame, PayloadWriter } from '../../src/agent/wire.ts'
import { buildAgent, withAgent } from '../helpers/agent-process.ts'
import { shell, until } from '../helpers/agent-programs.ts'

buildAgent()

/** Hundredths of a second that a process had a processor. proc_pid_stat(5) */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return Number(fields[11]) + Number(fields[12])
}

test('a program that lets go of its terminal goes on, and no hang-up ends it', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    const tty = { cols: 80, rows: 24 }
    const session = await client.start(
      shell('echo before; exec </dev/null >/dev/null 2>&1; sleep 0.3; echo after >/dev/tty; exit 3', { tty }),
    )
    const [stdout, { exitCode }] = await Promise.all([text(session.stdout), session.wait()])
    t.deepEqual([stdout, exitCode], ['before\r\nafter\r\n', 3])
  }))

test('a child that fills the output for ever does not keep the session open', (t) =>
  withAgent(t, async (agent) => {
    const socket = await agent.connect()
    const grant = (bytes: number) => socket.write(frame(FRAME.stdoutCredit, 1, new PayloadWriter().u32(bytes).end()))
    const exit = new Promise<Exited>((resolve) => {
      const read = frameReader((type, _session, payload) => {
        // Little by little: their pipe is never empty.
        if (type === FRAME.stdout) setTimeout(() => grant(payload.length), 10)
        if (type === FRAME.exit) resolve(decodeExit(payload))
      })
      socket.on('data', read)
    })
    socket.write(frame(FRAME.configure, 0, encodeConfig({})))
    socket.write(frame(FRAME.start, 1, encodeStart(shell('setsid yes & sleep 0.1; exit 3'), 4096)))
    t.is((await exit).code, 3)
  }))

test('a main program whose last output nobody reads costs no processor time', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    const main = await client.start(shell(`head -c ${OUTPUT_WINDOW + 1000} /dev/zero`, { main: true }))
    main.stderr.resume()
    await until(() => main.stdout.readableLength === OUTPUT_WINDOW)
    await sleep(400)
    const before = processorTime(agent.pid)
    await sleep(1000)
    t.true(processorTime(agent.pid) - before < 10)
    t.is((await text(main.stdout)).length, OUTPUT_WINDOW + 1000)
    t.is((await main.wait()).exitCode, 0)
  }))

test('the end of standard input that is said while the program is held reaches it afterwards', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    const session = await client.start(shell('cat; exit 4', { interactive: true }))
    await client.hold()
    await client.detach()
    client.reconnect(await agent.transport())
    session.stdin.end()
    await until(() => session.stdin.writableFinished)
    await client.release({})
    session.stdout.resume()
    session.stderr.resume()
    t.is((await session.wait()).exitCode, 4)
  }))

test('whoever the program runs as may open its streams by name', (t) =>
  withAgent(t, async (agent) => {
    if (process.getuid!() !== 0) {
      t.log('changing the user takes root')
      t.pass()
      return
    }
    const client = agentClient(await agent.transport())
    await client.configure({})
    const user = { uid: 1234, gid: 1234 }
    const script = 'cat /proc/self/fd/0; echo out >/proc/self/fd/1; echo err >/proc/self/fd/2'
    const session = await client.start(shell(script, { user, interactive: true }))
    session.stdin.end('in\n')
    t.deepEqual(await Promise.all([text(session.stdout), text(session.stderr)]), ['in\nout\n', 'err\n'])
    const typed = await client.start(shell('echo here >/proc/$$/fd/2', { user, tty: { cols: 80, rows: 24 } }))
    t.is(await text(typed.stdout), 'here\r\n')
  }))
