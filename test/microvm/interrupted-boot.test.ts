/** Ctrl-C while a microVM still boots: the terminal is ours until a program has it. */
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
