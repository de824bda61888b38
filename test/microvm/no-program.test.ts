/** A boot that does not get as far as its program: Ctrl-C, while the terminal is still ours, or a kernel that gives up. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLineIn } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { ownKernelTest } from '../helpers/microvm.ts'
import { onTerminal } from '../helpers/pseudo-terminal.ts'

ownKernelTest('Ctrl-C on the terminal ends a microVM that still boots', async (t) => {
  const root = join(temporaryDirectory(t), 'root')
  const run = onTerminal(
    ['run', '-it', '--name', 'boots', '--isolation', 'microvm', '--cold', BUSYBOX, 'sleep', '600'],
    {
      root,
    },
  )
  // By then the terminal would have been lent to a program that was there.
  while (!existsSync(join(root, 'run/instances/boots/control.sock'))) await sleep(20)
  await run.after(/^/, '\x03')
  t.is((await run.ended()).status, 130)
  const { stdout } = await commandLineIn(root)(['ps', '-a'])
  t.regex(stdout, /boots .*exited \(130\)/)
})

ownKernelTest('a boot that fails in the background says why, and leaves no record', async (t) => {
  const run = commandLineIn(join(temporaryDirectory(t), 'root'), 5 * 60_000)
  const append = ['--cold', '--append', 'rdinit=/nowhere']
  const { status, stderr } = await run(['run', '-d', '--isolation', 'microvm', ...append, BUSYBOX, 'true'])
  t.is(status, 125)
  t.regex(stderr, /^cloister: The guest's kernel ended before its program did\.\n {2}Kernel panic - not syncing: /)
  const { stdout } = await run(['ps', '-a'])
  t.is(stdout.trim().split('\n').length, 1, stdout)
})
