/** `run --kernel` with and without a program: what is asked for, and what makes no sense. */
import test from 'ava'
import { run } from '../../src/cli/definitions/run.ts'
import { fullParse } from '../../src/cli/full-parse.ts'
import { quickParse } from '../../src/cli/quick-parse.ts'
import { runRequest } from '../../src/cli/run-request.ts'
import { UsageError } from '../../src/errors.ts'

const ask = (...words: string[]) => {
  const parsed = quickParse(run, words)
  if (!parsed) throw new Error(`not understood: ${words.join(' ')}`)
  return runRequest(parsed)('web')
}

test('a kernel alone is a run of its own: its file is what ps shows, and what the VM is made from', (t) => {
  const spec = ask('--kernel', 'boot/vmlinuz', '--initrd', 'boot/initrd.img', '--append', 'quiet', '--cpus', '4')
  const kernel = `${process.cwd()}/boot/vmlinuz`
  t.like(spec, {
    isolation: 'unikernel',
    source: { kind: 'kernel', path: kernel },
    program: kernel,
    argv: ['boot/vmlinuz'],
    kernel,
    initrd: `${process.cwd()}/boot/initrd.img`,
    append: 'quiet',
    cpus: 4,
  })
})

test('a kernel with a program runs the program', (t) => {
  const spec = ask('--kernel', '/boot/kernel.elf', '/bin/busybox', 'true')
  t.like(spec, {
    source: { kind: 'program', hostPath: '/bin/busybox', path: '/bin/busybox' },
    argv: ['/bin/busybox', 'true'],
    kernel: '/boot/kernel.elf',
  })
})

test('a microVM takes a RAM disk beside its program: our agent finds it there', (t) => {
  const words = ['--isolation', 'microvm', '--kernel', '/boot/k', '--initrd', '/boot/i', '--cold', '/bin/busybox']
  t.like(ask(...words), {
    isolation: 'microvm',
    kernel: '/boot/k',
    initrd: '/boot/i',
    cold: true,
    program: '/bin/busybox',
  })
})

test('a root directory without a level is a microVM, and a single program is not', (t) => {
  t.is(ask('--rootfs', '/', '/bin/busybox').isolation, 'microvm')
  t.is(ask('/bin/busybox').isolation, 'unikernel')
  t.is(ask('--isolation', 'container', '--rootfs', '/', '/bin/busybox').isolation, 'container')
})

test('without a kernel there must be a SOURCE, by either reader of the command line', async (t) => {
  t.is(quickParse(run, ['--memory', '64M']), undefined)
  await t.throwsAsync(fullParse(run, ['--memory', '64M']), { instanceOf: UsageError, message: /needs more words/ })
  t.deepEqual(await fullParse(run, ['--kernel', 'k']), { options: { kernel: 'k' }, operands: [] })
})

const refusal = test.macro({
  exec: (t, words: readonly string[], message: RegExp) => {
    t.throws(() => ask(...words), { instanceOf: UsageError, message })
  },
  title: (name) => `refused: ${name}`,
})

test('a RAM disk without a kernel', refusal, ['--initrd', 'i', '/bin/busybox'], /our own kernel takes none/)
test(
  'a RAM disk beside a program',
  refusal,
  ['--kernel', 'k', '--initrd', 'i', '/bin/busybox'],
  /the program's files are given to the kernel as one/,
)
test(
  'a root directory and no command in it',
  refusal,
  ['--isolation', 'unikernel', '--kernel', 'k', '--rootfs', '/'],
  /Cannot use --rootfs with k/,
)
test('variables for no program', refusal, ['--kernel', 'k', '-e', 'A=1'], /Cannot use --env with k alone/)
test('a working directory for no program', refusal, ['--kernel', 'k', '-w', '/tmp'], /Cannot use --workdir with k/)
test(
  'a kernel in a container',
  refusal,
  ['--isolation', 'container', '--kernel', 'k'],
  /Cannot boot a kernel in a container/,
)
