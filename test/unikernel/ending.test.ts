import test from 'ava'
import { EXIT_REASON } from '../../src/unikernel/abi.ts'
import { describeEnd, describeExit } from '../../src/unikernel/ending.ts'
import { createKernelLog } from '../../src/unikernel/kernel-log.ts'

const saying = (...lines: string[]) => {
  const kernelLog = createKernelLog(() => {})
  for (const line of lines) kernelLog.control(line)
  return kernelLog
}

const REFUSAL = 'system call socket (41) is not supported: the program gets ENOSYS'
const exited = (status: number, reason: number = EXIT_REASON.program) => ({ status, signal: 0, reason })

test('a reset ends a kernel of the user’s own well; of ours, whose program did not end, it is a death', (t) => {
  t.deepEqual(describeEnd({ kind: 'reset' }, saying(), false), { exitCode: 0 })
  const { exitCode, report } = describeEnd({ kind: 'reset' }, saying('what the kernel said last'), true)
  t.is(exitCode, 125)
  t.is(report, 'The guest asked for a reset before its program ended.\n  what the kernel said last')
})

test('a panic and a death are 125 with their report and the last words of the kernel', (t) => {
  for (const kind of ['panic', 'died'] as const) {
    const result = describeEnd({ kind, report: 'The guest died: of something.' }, saying('panic: reason'), true)
    t.deepEqual(result, { exitCode: 125, report: 'The guest died: of something.\n  panic: reason' })
  }
})

test('unsupported system calls are named when the program failed, and only then', (t) => {
  t.deepEqual(describeExit(exited(0), saying(REFUSAL)), { exitCode: 0, report: undefined })
  t.deepEqual(describeExit(exited(1), saying('other words')), { exitCode: 1, report: undefined })
  t.deepEqual(describeExit(exited(1), saying(REFUSAL)), {
    exitCode: 1,
    report: 'unikernel: socket (system call 41) is not supported (docs/unikernel-abi.md)',
  })
})

test('a program that was not started is 126, 127 or 137, for the reason that the kernel said', (t) => {
  for (const [reason, exitCode] of [
    [EXIT_REASON.notExecutable, 126],
    [EXIT_REASON.notFound, 127],
    [EXIT_REASON.outOfMemory, 137],
  ] as const)
    t.like(describeExit(exited(1, reason), saying('the reason')), { exitCode, report: 'the reason' })
})
