import test from 'ava'
import { gettid } from '../../kvm-bindings/ffi.ts'
import { kickThreads, prepareKick } from '../../src/machine/kick.ts'

/** Larger than any PID_MAX_LIMIT of Linux: no thread has it. */
const NOBODY = String(2 ** 30)

test('a thread that ended before its signal was sent is passed over', (t) => {
  prepareKick()
  t.notThrows(() => kickThreads([NOBODY, String(gettid())]))
})

test('a signal that fails for any other reason is an error', (t) => {
  t.throws(() => kickThreads(['0']), { message: 'tgkill gave EINVAL' })
})
