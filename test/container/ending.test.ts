import test from 'ava'
import { describeEnd, type Ending } from '../../src/container/ending.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'

const spec = busyboxSpec(['true'], { name: 'web', program: '/bin/prog', memoryBytes: 48 * 2 ** 20 })
const ended = (changes: Partial<Ending>): Ending => ({
  status: 0,
  started: true,
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

for (const [runtime, message, exitCode] of [
  ['runc', 'runc run failed: unable to start container process: exec: "prog": executable file not found in $PATH', 127],
  ['runc', 'runc run failed: unable to start container process: exec: "/x": stat /x: no such file or directory', 127],
  ['crun', 'executable file `/x` not found in $PATH: No such file or directory', 127],
  ['runc', 'runc run failed: unable to start container process: exec: "/x": permission denied', 126],
  ['crun', 'open executable: Permission denied', 126],
] as const) {
  test(`"${message}" of ${runtime} becomes ${exitCode} and a line of our own`, (t) => {
    const result = describeEnd(spec, ended({ status: 1, started: false, runtimeLog: says(message) }))
    t.is(result.exitCode, exitCode)
    t.regex(result.report ?? '', /^Cannot run \/bin\/prog: [^"`$]+\.$/)
  })
}

test('any other refusal ends with 125 and says whose words they are', (t) => {
  const result = describeEnd(spec, ended({ status: 1, started: false, runtimeLog: says('no space left on device') }))
  t.deepEqual(result, { exitCode: 125, report: 'Cannot start container "web": no space left on device.' })
  const mount = describeEnd(
    spec,
    ended({ status: 1, started: false, launchLog: 'mount: root: unknown filesystem type.\n' }),
  )
  t.is(mount.report, 'Cannot start container "web": mount: root: unknown filesystem type.')
})

test('a runtime that was ended from outside is not taken for the program', (t) => {
  t.like(describeEnd(spec, ended({ status: 'SIGKILL' })), { exitCode: 125 })
})
