/** A program in a microVM, from the command line: with the kernel that we configure, and with one that nobody made for us. */
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { microvmTest } from '../helpers/microvm.ts'

const HANG_MS = 10 * 60_000

microvmTest('run: input, both outputs, status and the kernel are those of a microVM', async (t, kernel) => {
  const script = 'read line && echo "<$line>"; uname -r >&2; exit 7'
  const { status, stdout, stderr } = await commandLine(t)(
    ['run', '-i', '--isolation', 'microvm', '--cold', ...kernel.options(t), BUSYBOX, 'sh', '-c', script],
    { input: 'from outside\n', hangMs: HANG_MS },
  )
  t.is(status, 7, stderr)
  t.is(stdout, '<from outside>\n')
  t.regex(stderr, /^\d+\.\d+\.\d+/m)
})
