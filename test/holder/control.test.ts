import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openControl } from '../../src/holder/control.ts'
import { boundedWriter } from '../../src/holder/own-log.ts'
import { CONTROL_SOCKET, readDescription } from '../../src/instance/record.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { fakeClaim, fakeInstance } from '../helpers/fake-instance.ts'

const ENDED = { exitCode: 7 }

test('an instance in the foreground is described on record, again once it has settled', async (t) => {
  const directory = temporaryDirectory(t)
  let looks = 0
  const describe = () => ({ security: [], details: { looks: ++looks } })
  const control = await openControl(fakeInstance({ describe }), fakeClaim(directory), { settledMs: 10 })
  t.deepEqual(readDescription(directory)?.details, { looks: 1 })
  while (looks < 2) await new Promise((resolve) => setTimeout(resolve, 2))
  t.deepEqual(readDescription(directory)?.details, { looks: 2 })
  t.deepEqual(await control.finish(ENDED), ENDED)
})

test('one that cannot be described, or whose description cannot be written, runs on and can be steered', async (t) => {
  const directory = temporaryDirectory(t)
  const faults: unknown[] = []
  const onFault = (error: unknown) => faults.push(error)
  process.on('uncaughtException', onFault)
  t.teardown(() => process.off('uncaughtException', onFault))
  let looks = 0
  const describe = () => {
    looks++
    throw new Error('ENOSPC: no space left on device')
  }
  const control = await openControl(fakeInstance({ describe }), fakeClaim(directory), { settledMs: 10 })
  t.true(existsSync(join(directory, CONTROL_SOCKET)))
  while (looks < 2) await new Promise((resolve) => setTimeout(resolve, 2))
  await new Promise((resolve) => setTimeout(resolve, 2))
  t.deepEqual(faults, [])
  t.is(readDescription(directory), undefined)
  t.deepEqual(await control.finish(ENDED), ENDED)
})

test('the log of a holder is bounded, and a full disk is no fault of the instance', (t) => {
  const lines: string[] = []
  const write = boundedWriter((line) => void lines.push(line), 10)
  for (const line of ['123456', '1234', 'no more']) write(line)
  t.deepEqual(lines, ['123456', '1234'])
  const refused = boundedWriter(() => {
    throw new Error('ENOSPC')
  }, 10)
  t.notThrows(() => refused('line'))
})
