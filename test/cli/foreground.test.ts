import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { runInForeground } from '../../src/cli/foreground.ts'
import type { ExitResult } from '../../src/instance/instance.ts'
import { fakeClaim, fakeInstance } from '../helpers/fake-instance.ts'

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGTERM'] as const
const listeners = (): number => SIGNALS.reduce((sum, signal) => sum + process.listenerCount(signal), 0)
/** A signal that is on its way keeps no event loop alive; this does. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}

test.serial('the status of the program comes back, and everything is released', async (t) => {
  const before = listeners()
  const instance = fakeInstance()
  const running = runInForeground(instance, fakeClaim(), { interactive: false })
  instance.end({ exitCode: 7 })
  t.deepEqual(await running, { exitCode: 7 })
  t.true(instance.closed())
  t.is(listeners(), before)
})

test.serial('the time limit ends the program with 124 and says so', async (t) => {
  const result = await runInForeground(fakeInstance(), fakeClaim(), { interactive: false, timeoutMs: 20 })
  t.is(result.exitCode, 124)
  t.regex(result.report ?? '', /time limit of 20 ms/)
})

test.serial('the time limit also counts a start that does not come to its end', async (t) => {
  let giveUp: (result: ExitResult) => void = () => {}
  const instance = fakeInstance({
    start: () =>
      new Promise((resolve) => {
        giveUp = () => resolve()
      }),
  })
  const kill = (result: ExitResult): void => {
    instance.end(result)
    giveUp(result)
  }
  const killable = { ...instance, kill }
  t.is((await runInForeground(killable, fakeClaim(), { interactive: false, timeoutMs: 20 })).exitCode, 124)
})

test.serial('signals are passed on by number', async (t) => {
  const instance = fakeInstance()
  const running = runInForeground(instance, fakeClaim(), { interactive: true })
  for (const signal of SIGNALS) process.kill(process.pid, signal)
  await until(() => instance.signals.length === SIGNALS.length)
  instance.end({ exitCode: 0 })
  await running
  t.deepEqual(
    instance.signals.sort((a, b) => a - b),
    [1, 2, 3, 10, 12, 15],
  )
})

test.serial('a second interrupt soon after the first ends the program with 130', async (t) => {
  const instance = fakeInstance()
  const running = runInForeground(instance, fakeClaim(), { interactive: true })
  process.kill(process.pid, 'SIGINT')
  await until(() => instance.signals.includes(2))
  // What arrives at the same time is the same wish, such as that of `timeout -s INT`, which signals twice.
  process.kill(process.pid, 'SIGINT')
  await sleep(250)
  t.false(instance.closed())
  process.kill(process.pid, 'SIGINT')
  await until(instance.closed)
  const result = await running
  t.is(result.exitCode, 130)
  t.deepEqual(instance.signals, [2])
})

test.serial('a start that fails is released too, and the failure comes through', async (t) => {
  const before = listeners()
  const instance = fakeInstance({ start: () => Promise.reject(new Error('no memory')) })
  await t.throwsAsync(runInForeground(instance, fakeClaim(), { interactive: false }), { message: 'no memory' })
  t.true(instance.closed())
  t.is(listeners(), before)
})
