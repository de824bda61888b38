/** A guest that is too busy to start a program in time: that start fails, and nothing else does. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { agentClient } from '../../src/agent/client.ts'
import { SESSIONS_MAX } from '../../src/agent/protocol.ts'
import { GuestError, UsageError } from '../../src/errors.ts'
import { type AgentUnderTest, buildAgent, withAgent } from '../helpers/agent-process.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

buildAgent()

const ANSWER_MS = 500
const TOO_LATE = { instanceOf: GuestError, message: /did not answer in 0.5 s: it was asked to run sh/ } as const

const shell = (script: string) => ({
  program: '/bin/busybox',
  argv: ['sh', '-c', script],
  env: ['PATH=/bin:/usr/bin'],
  cwd: '/',
  interactive: false,
})

async function configured(agent: AgentUnderTest) {
  const client = agentClient(await agent.transport(), { answerMs: ANSWER_MS })
  const lost: Error[] = []
  client.onLost((reason) => lost.push(reason))
  await client.configure({})
  return { client, lost }
}

const isThere = (pid: number) => existsSync(`/proc/${pid}`)

test('a program that is not started in time is ended when it starts after all, and nobody else notices', (t) =>
  withAgent(t, async (agent) => {
    const { client, lost } = await configured(agent)
    const other = await client.start(shell('while read -r line; do echo $line; done; echo end'))
    const file = join(temporaryDirectory(t), 'pid')
    process.kill(agent.pid, 'SIGSTOP')
    // More than it may send before anybody reads it.
    await t.throwsAsync(client.start(shell(`echo $$ > ${file}; exec yes`)), TOO_LATE)
    await t.throwsAsync(client.start({ ...shell('true'), program: '/nowhere' }), TOO_LATE)
    process.kill(agent.pid, 'SIGCONT')
    while (!existsSync(file) || readFileSync(file, 'utf8') === '') await sleep(10)
    const pid = Number(readFileSync(file, 'utf8'))
    while (isThere(pid)) await sleep(10)

    const next = await client.start(shell('exit 7'))
    t.is((await next.wait()).exitCode, 7)
    await client.hold()
    await client.release({})
    other.abandon()
    await other.wait()
    t.deepEqual(lost, [])
  }))

test('those that are not answered for yet count among the programs of the guest', (t) =>
  withAgent(t, async (agent) => {
    const { client, lost } = await configured(agent)
    process.kill(agent.pid, 'SIGSTOP')
    const starts = Array.from({ length: SESSIONS_MAX }, () => client.start(shell('sleep 60')))
    for (const start of starts) await t.throwsAsync(start, TOO_LATE)
    await t.throwsAsync(client.start(shell('true')), { instanceOf: UsageError, message: /no more can/ })
    process.kill(agent.pid, 'SIGCONT')
    for (let started = false; !started; await sleep(10)) {
      started = await client.start(shell('true')).then(
        (session) => session.wait().then(() => true),
        (error: Error) => {
          if (error instanceof UsageError || TOO_LATE.message.test(error.message)) return false
          throw error
        },
      )
    }
    t.deepEqual(lost, [])
  }))
