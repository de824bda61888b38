import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

/** What every level promises is in test/contract/levels. */

kvmTestSerial(
  '--trace exits narrates on standard error or into a file, and leaves standard output alone',
  async (t) => {
    const cloister = commandLine(t)
    const file = join(temporaryDirectory(t), 'trace')
    const aloud = await cloister(['run', '--trace', 'exits', BUSYBOX, 'echo', 'hi'])
    t.is(aloud.stdout, 'hi\n')
    t.regex(aloud.stderr, /^#1 .* KVM_EXIT_/m)
    const quiet = await cloister(['run', '--trace', `exits:${file}`, BUSYBOX, 'echo', 'hi'])
    t.deepEqual(quiet, { status: 0, stdout: 'hi\n', stderr: '' })
    t.regex(readFileSync(file, 'utf8'), /^#1 .* KVM_EXIT_/m)
  },
)

kvmTestSerial('a kernel that is no kernel is refused in one line', async (t) => {
  const file = join(temporaryDirectory(t), 'kernel')
  writeFileSync(file, 'hello\n')
  const { status, stderr } = await commandLine(t)(['run', '--kernel', file, BUSYBOX, 'true'])
  t.is(status, 125)
  t.true(stderr.startsWith('cloister: Cannot '), stderr)
  t.true(stderr.trimEnd().split('\n').length <= 3)
})

test('a program whose Cloister cannot keep state is not started', async (t) => {
  const file = join(temporaryDirectory(t), 'file')
  writeFileSync(file, '')
  const { status, stderr } = await commandLine(t)(['run', BUSYBOX, 'true'], { env: { CLOISTER_ROOT: file } })
  t.is(status, 125)
  t.regex(stderr, /Cannot keep state in .*: it is not a real directory\.\n.*CLOISTER_ROOT/)
})
