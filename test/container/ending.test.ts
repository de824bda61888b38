import { constants } from 'node:os'
import test from 'ava'
import { describeEnd, type Ending } from '../../src/container/ending.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'

const spec = busyboxSpec(['true'], { name: 'web', program: '/bin/prog', memoryBytes: 48 * 2 ** 20 })
const ended = (changes: Partial<Ending>): Ending => ({
  status: 0,
  report: { startedNs: 1n, error: 0, of: 'execve' },
  outOfMemoryKills: 0,
  runtimeLog: '',
  launchLog: '',
  ...changes,
})
const says = (msg: string) => `${JSON.stringify({ level: 'error', msg })}\n`

test("the program's status is passed through without a word, also the ones that we use ourselves", (t) => {
  for (const status of [0, 1, 7, 125, 126, 127, 137, 255])
    t.deepEqual(describeEnd(spec, ended({ status })), { exitCode: status })
})

test('a program that the memory limit killed ends with 137 and a report that names the limit', (t) => {
  const result = describeEnd(spec, ended({ status: 137, outOfMemoryKills: 1 }))
  t.like(result, { exitCode: 137, outOfMemory: true })
  t.regex(result.report ?? '', /\/bin\/prog in "web".*48 MiB.*--memory/)
})

test('a program that outlived the killing of a child ends with its own status', (t) => {
  t.deepEqual(describeEnd(spec, ended({ status: 3, outOfMemoryKills: 1 })), { exitCode: 3 })
})

const notExecuted = (error: number) => ({ startedNs: 1n, error, of: 'execve' as const })

for (const [name, exitCode, words] of [
  ['ENOENT', 127, 'there is no such file in its root'],
  ['EACCES', 126, 'it may not be executed'],
  ['ENOEXEC', 126, 'it is not an executable program'],
  ['E2BIG', 126, 'its arguments and environment are too long'],
  ['ELOOP', 126, 'the kernel refused it with ELOOP'],
] as const) {
  test(`an execve that gave ${name} becomes ${exitCode} and a line of our own`, (t) => {
    const result = describeEnd(spec, ended({ status: 127, report: notExecuted(constants.errno[name]) }))
    t.deepEqual(result, { exitCode, report: `Cannot run /bin/prog: ${words}.` })
  })
}

test('a failure of process 1 itself ends with 125 and is not blamed on the program', (t) => {
  const report = { ...notExecuted(constants.errno.EMFILE), of: 'init' as const }
  t.deepEqual(describeEnd(spec, ended({ status: 127, report })), {
    exitCode: 125,
    report: 'Cannot start container "web": its process 1 failed with EMFILE.',
  })
})

test('any other refusal ends with 125 and says whose words they are', (t) => {
  const result = describeEnd(spec, ended({ status: 1, report: undefined, runtimeLog: says('no space left on device') }))
  t.deepEqual(result, { exitCode: 125, report: 'Cannot start container "web": no space left on device.' })
  const mount = describeEnd(
    spec,
    ended({ status: 1, report: undefined, launchLog: 'mount: root: unknown filesystem type.\n' }),
  )
  t.is(mount.report, 'Cannot start container "web": mount: root: unknown filesystem type.')
})

test('a runtime that was ended from outside is not taken for the program', (t) => {
  t.like(describeEnd(spec, ended({ status: 'SIGKILL' })), { exitCode: 125 })
})

test('a runtime that was killed is not taken for a program that ended, whoever of its chain it was', (t) => {
  const expected = { exitCode: 125, report: 'Lost "web": its OCI runtime was ended from outside by SIGKILL.' }
  t.deepEqual(describeEnd(spec, ended({ status: 'SIGKILL' })), expected)
  // The words of unshare(1) of util-linux 2.38 whose child was killed.
  const launchLog = 'unshare: sigprocmask unblock failed: Invalid argument\n'
  t.deepEqual(describeEnd(spec, ended({ status: 1, launchLog })), expected)
  const refused = describeEnd(
    spec,
    ended({ status: 1, report: undefined, launchLog: 'unshare: unshare failed: EPERM\n' }),
  )
  t.regex(refused.report ?? '', /^Cannot start container "web": unshare: unshare failed/)
})
