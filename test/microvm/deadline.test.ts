import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { deadline, TooLate } from '../../src/microvm/deadline.ts'

test('what does not answer by its time is late', async (t) => {
  await t.throwsAsync(Promise.race([sleep(10_000, undefined, { ref: false }), deadline(5, () => false).failed]), {
    instanceOf: TooLate,
    message: /has said nothing for 0\.005 s/,
  })
})

test('the time of a machine that stands still does not count', async (t) => {
  let paused = true
  let asked = 0
  const { failed } = deadline(5, () => {
    asked++
    return paused
  })
  let late = false
  failed.catch(() => {
    late = true
  })
  while (asked < 3) await sleep(5)
  t.false(late)
  paused = false
  while (!late) await sleep(5)
  await t.throwsAsync(failed, { instanceOf: TooLate })
})

test('a deadline that was cleared is never over', async (t) => {
  let asked = 0
  const { failed, clear } = deadline(1, () => asked++ >= 0)
  clear()
  t.is(await Promise.race([failed, sleep(20, 'cleared')]), 'cleared')
  t.is(asked, 0)
})
