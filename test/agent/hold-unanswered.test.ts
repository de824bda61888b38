/** A guest that does not stand still when it is asked to: nothing of it is lost, and it goes on as before. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { agentClient } from '../../src/agent/client.ts'
import { GuestError } from '../../src/errors.ts'
import { type AgentUnderTest, buildAgent, withAgent } from '../helpers/agent-process.ts'

buildAgent()

const ANSWER_MS = 500

async function ticking(agent: AgentUnderTest) {
  const client = agentClient(await agent.transport(), { answerMs: ANSWER_MS })
  const lost: Error[] = []
  client.onLost((reason) => lost.push(reason))
  await client.configure({})
  const script = 'while :; do echo tick; sleep 0.01; done'
  const session = await client.start({
    program: '/bin/busybox',
    argv: ['sh', '-c', script],
    env: ['PATH=/bin:/usr/bin'],
    cwd: '/',
    interactive: false,
  })
  session.stdout.resume()
  const ticks = () => new Promise((resolve) => session.stdout.once('data', resolve))
  await ticks()
  return { client, session, ticks, lost }
}

/** `T` is stopped, as of proc(5). */
const stateOf = (pid: number) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]

test('one that does not answer in time is not held, and the connection stays', (t) =>
  withAgent(t, async (agent) => {
    const { client, session, ticks, lost } = await ticking(agent)
    process.kill(agent.pid, 'SIGSTOP')
    let onLate = () => {}
    const late = new Promise<void>((resolve) => {
      onLate = resolve
    })
    await t.throwsAsync(client.hold(onLate), {
      instanceOf: GuestError,
      message: /did not answer in 0.5 s: it was asked to stand still/,
    })
    await t.throwsAsync(client.hold(), { instanceOf: GuestError, message: /still has to answer the last one/ })
    process.kill(agent.pid, 'SIGCONT')
    await late
    t.is(stateOf(session.pid), 'T')
    await client.release({})
    await ticks()
    t.deepEqual(lost, [])
    // All is as it was: it can be held once more.
    await client.hold()
    await client.release({})
    await ticks()
    session.abandon()
    await session.wait()
  }))

test('one that does not end the connection in time can be reached over another one', (t) =>
  withAgent(t, async (agent) => {
    const { client, session, ticks, lost } = await ticking(agent)
    await client.hold()
    process.kill(agent.pid, 'SIGSTOP')
    await t.throwsAsync(client.detach(), { instanceOf: GuestError, message: /it was asked to end the connection/ })
    process.kill(agent.pid, 'SIGCONT')
    await sleep(50)
    client.reconnect(await agent.transport())
    await client.release({})
    await ticks()
    t.deepEqual(lost, [])
    session.abandon()
    await session.wait()
  }))
