/**
 * The guest kernel's Linux half, and what of its drivers can be, compiled for the host with sanitizers. Every sentence of
 * guest-kernel/tests/host/tests_*.c is a test here; then random system calls, ELF programs and archives.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

const HOST_TESTS = fileURLToPath(new URL('../../../guest-kernel/tests/host', import.meta.url))
const BUILT = fileURLToPath(new URL('../../../guest-kernel/build/host', import.meta.url))

execFileSync('make', ['-s', '-C', HOST_TESTS], { stdio: ['ignore', 'ignore', 'inherit'] })
const sentences = execFileSync(`${BUILT}/tests`, { encoding: 'utf8' }).trimEnd().split('\n')

const passes = (t: ExecutionContext, program: string, ...args: string[]): void => {
  const { status, signal, stdout, stderr } = spawnSync(`${BUILT}/${program}`, args, {
    encoding: 'utf8',
    timeout: 50_000,
  })
  t.is(status, 0, `${signal ?? ''}${stdout}${stderr}`)
}

for (const [index, sentence] of sentences.entries()) test(sentence, (t) => passes(t, 'tests', String(index)))

for (const seed of ['1', '2', '3', '4']) {
  test(`random system calls with hostile arguments never break the kernel (seed ${seed})`, (t) =>
    passes(t, 'fuzz', 'calls', seed, '50000'))
}
test('frames from a hostile wire are answered or dropped', (t) => passes(t, 'fuzz', 'net', '1', '100000'))
test('a terminal takes any keys under any settings', (t) => passes(t, 'fuzz', 'tty', '1', '20000'))
test('what is read from a disk is what was written, whatever order its device works in, and failures are told', (t) =>
  passes(t, 'fuzz-disk', '1', '600'))
test('a damaged ELF program is run or refused with a reason', (t) => passes(t, 'fuzz', 'elf', '1', '400'))
test('a damaged archive is unpacked or refused with a reason', (t) => passes(t, 'fuzz', 'cpio', '1', '400'))
