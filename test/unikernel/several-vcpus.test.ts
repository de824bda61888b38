/** `cloister run --cpus N`: with a kernel of the user's own, and refused for ours. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { detachedCommandLine, until } from '../helpers/detached.ts'
import { guestPath } from '../helpers/guests.ts'
import { kvmTest } from '../helpers/kvm.ts'

kvmTest('four vCPUs of a kernel of the user’s own report by the serial port', async (t) => {
  const { status, stdout, stderr } = await commandLine(t)(['run', '--cpus', '4', '--kernel', guestPath('bare/smp')])
  t.is(status, 0, stderr)
  t.regex(stdout, /^PASS smp 4$/m)
  for (const id of [0, 1, 2, 3]) t.regex(stdout, new RegExp(`^apic 0${id}$`, 'm'))
})

kvmTest('a VM of four busy vCPUs is paused, resumed and stopped', async (t) => {
  const cli = detachedCommandLine(t)
  const counters = join(temporaryDirectory(t), 'counters')
  writeFileSync(counters, Buffer.alloc(4096))
  const kernel = ['--kernel', guestPath('bare/smp-storm'), '--initrd', counters]
  const { stdout, stderr } = await cli(['run', '-d', '--cpus', '4', '--name', 'four', ...kernel])
  t.is(stdout, 'four\n', stderr)
  await until(async () => (await cli(['logs', 'four'])).stdout.includes('apic 03'))
  const exits = async () => JSON.parse((await cli(['stats', '--json', 'four'])).stdout)[0].exits as number
  t.is((await cli(['pause', 'four'])).status, 0)
  const paused = await exits()
  await sleep(50)
  t.is(await exits(), paused)
  t.is((await cli(['resume', 'four'])).status, 0)
  await until(async () => (await exits()) !== paused)
  t.is((await cli(['stop', 'four'])).status, 0)
  t.regex((await cli(['ps', '-a'])).stdout, /four +unikernel +exited/)
  t.is((await cli(['rm', 'four'])).status, 0)
})

kvmTest('our own kernel has one vCPU, and more are refused with what would do', async (t) => {
  const { status, stderr } = await commandLine(t)(['run', '--isolation', 'unikernel', '--cpus', '2', BUSYBOX, 'true'])
  t.is(status, 125)
  t.regex(stderr, /2 processors: a unikernel runs on one\.\n.*--kernel/)
})
