/**
 * A Linux that goes on in another place is told so by ACPI (its VM generation ID, src/machine/generation.ts), and seeds
 * its random numbers anew before our agent brings any. The kernel for an emulated kernel mode has no ACPI: there the
 * agent alone does it.
 */
import test from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { detachedCommandLine } from '../helpers/detached.ts'
import { kernelModeEmulated, microvmTest } from '../helpers/microvm.ts'

const SLOW = { hangMs: 10 * 60_000 }
const TITLE = 'a clone is told that it is one, and its kernel seeds its random numbers anew'
const SEEDED_ANEW = /crng reseeded due to virtual machine fork/

if (kernelModeEmulated) {
  test.skip(`${TITLE} (skipped: the kernel for an emulated kernel mode has no ACPI)`, () => {})
} else {
  microvmTest(TITLE, async (t, kernel) => {
    const cloister = detachedCommandLine(t)
    const ask = async (...words: string[]) => {
      const { status, stdout, stderr } = await cloister(words, SLOW)
      t.is(status, 0, `${words.join(' ')}: ${stderr}`)
      return stdout
    }
    await ask('run', '-d', '--isolation', 'microvm', '--name', 'v', ...kernel.options(t), BUSYBOX, 'sleep', '1000')
    await ask('snapshot', 'create', 'v', 's1')
    await ask('clone', 's1', '--name', 'c', '--count', '2')
    t.notRegex(await ask('exec', 'v', BUSYBOX, 'dmesg'), SEEDED_ANEW)
    for (const name of ['c-1', 'c-2']) t.regex(await ask('exec', name, BUSYBOX, 'dmesg'), SEEDED_ANEW)
  })
}
