import test from 'ava'
import { UsageError } from '../../src/errors.ts'
import { createUnikernel } from '../../src/unikernel/unikernel.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'

test('one that is still being made is not paused: it would start all the same', async (t) => {
  const instance = createUnikernel(busyboxSpec(['true'], { isolation: 'unikernel' }), {
    stdio: { stdout: 1, stderr: 2 },
  })
  await t.throwsAsync(async () => instance.pause(), { instanceOf: UsageError, message: /has not started yet/ })
})
