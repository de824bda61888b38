/** Programs are held for a snapshot, or go on: an agent that says nothing costs the snapshot, and nothing else. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { agentClient } from '../../src/agent/client.ts'
import { GuestError, HostError } from '../../src/errors.ts'
import { holdPrograms } from '../../src/microvm/snapshot.ts'
import { type AgentUnderTest, buildAgent, withAgent } from '../helpers/agent-process.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'

buildAgent()

/** The agent as a process of this host: what it is told to be it reads, and does not do. */
async function guestOf(t: ExecutionContext, process: AgentUnderTest) {
  const agent = agentClient(await process.transport(), { answerMs: 500 })
  agent.onLost((reason) => t.fail(reason.message))
  await agent.configure({})
  const session = await agent.start({
    program: '/bin/busybox',
    argv: ['sh', '-c', 'while :; do echo tick; sleep 0.01; done'],
    env: ['PATH=/bin:/usr/bin'],
    cwd: '/',
    interactive: false,
    main: true,
  })
  session.stdout.resume()
  const lost: Error[] = []
  const subject = {
    spec: busyboxSpec([]),
    agent,
    guest: { agentStream: async () => (await process.transport()) as never },
  }
  return {
    ticks: () => new Promise((resolve) => session.stdout.once('data', resolve)),
    hold: (guest = subject.guest) => holdPrograms({ ...subject, guest }, (reason) => lost.push(reason)),
    /** `T` is stopped, as of proc(5). */
    stands: () => /^State:\s+T/m.test(readFileSync(`/proc/${session.pid}/status`, 'utf8')),
    lost,
    close: () => agent.close(),
  }
}

test('a guest that does not answer is not held; it goes on, and can be held later', (t) =>
  withAgent(t, async (agent) => {
    const { hold, stands, ticks, lost, close } = await guestOf(t, agent)
    process.kill(agent.pid, 'SIGSTOP')
    await t.throwsAsync(hold(), { instanceOf: GuestError, message: /did not answer in 0.5 s/ })
    process.kill(agent.pid, 'SIGCONT')
    await ticks()
    while (stands()) await sleep(5)
    const goOn = await hold()
    t.true(stands())
    await goOn()
    await ticks()
    t.deepEqual(lost, [])
    close()
  }))

test('of a guest that cannot be reached again its programs would stand still for ever: it is lost, and why is said', (t) =>
  withAgent(t, async (agent) => {
    const { hold, lost, close } = await guestOf(t, agent)
    const gone = new HostError('nobody listens')
    const goOn = await hold({ agentStream: () => Promise.reject(gone) })
    await t.throwsAsync(goOn(), { message: 'nobody listens' })
    t.deepEqual(lost, [gone])
    close()
  }))
