/**
 * QEMU as a peer: the very same guest kernel and root tree on its microvm machine, by KVM. docs/benchmarks.md says
 * what each part of the line is for. Its exit port answers (status << 1) | 1.
 */
import { writeFileSync } from 'node:fs'
import { planCpio } from '../image/cpio.ts'
import { rootTree } from '../image/root-tree.ts'
import { probePath, unikernelPath } from '../paths.ts'
import type { Contender, GuestLoad, Launcher } from './contender.ts'
import { findProgram } from './find-program.ts'
import type { Scratch } from './scratch.ts'

const QEMU = 'qemu-system-x86_64'
const MIB = 2 ** 20
/** Where the probe sits in the guest: a name without blanks, which a kernel command line needs. */
const PROBE = '/probe'

/** Without a kernel, and without devices of virtio. */
export function machineLine(memoryBytes: number): string[] {
  const machine = 'microvm,acpi=off,auto-kernel-cmdline=on,isa-serial=on'
  // The software KVM of some hosts refuses MSR 0x10a, which -cpu host would set.
  const processor = ['-accel', 'kvm', '-cpu', 'host,-arch-capabilities', '-m', String(Math.ceil(memoryBytes / MIB))]
  const bare = ['-nodefaults', '-no-user-config', '-nographic', '-serial', 'stdio', '-no-reboot']
  const modern = ['-global', 'virtio-mmio.force-legacy=false']
  return ['-M', machine, ...modern, ...processor, ...bare, '-device', 'isa-debug-exit,iobase=0xf4,iosize=1']
}

/** Written once: the archive of a tree that holds the probe and nothing of the host's. */
function writeInitrd(file: string): void {
  const archive = planCpio(rootTree({ kind: 'program', hostPath: probePath, path: PROBE }))
  const bytes = new Uint8Array(archive.size)
  archive.write(bytes)
  writeFileSync(file, bytes)
}

/**
 * Ways to a disk, of cache=writeback|none|unsafe, aio=threads|io_uring|native, with an iothread (polling or not) and
 * without. io_uring takes half the time of threads for small reads, threads two thirds of io_uring's for small writes at
 * depth; an iothread makes no difference that shows; cache=none, with which alone aio=native works, leaves out the page
 * cache that everybody else reads from, and is slower throughout. So there are two, and neither is quickest in all.
 */
type DiskEngine = 'io_uring' | 'threads'

/** @throws ContenderRefused where there is no QEMU */
export function qemuPeer(memoryBytes: number, scratch: Scratch): Contender {
  const file = findProgram(QEMU, 'apt-get install qemu-system-x86')
  const facts = { name: 'qemu', kind: 'peer', success: 1, runsProbe: true } as const
  const what = 'QEMU microvm with the same guest kernel and root tree, by KVM'
  const peer: Contender = {
    ...facts,
    what,
    prepareLoad: (load) => loadQemu(file, load, { memoryBytes, engine: 'io_uring' }, scratch),
    prepare: (probeArguments, { input = false } = {}) => {
      const initrd = scratch.path('root.cpio')
      writeInitrd(initrd)
      const append = ['--', PROBE, ...probeArguments].join(' ')
      const line = [...machineLine(memoryBytes), '-kernel', unikernelPath, '-initrd', initrd, '-append', append]
      // One that waits for input could outlive us: nothing in QEMU ends with its standard input.
      const [command, args] = input ? ['setpriv', ['--pdeathsig', 'KILL', file, ...line]] : [file, line]
      return () => ({ file: command, args, env: scratch.env })
    },
  }
  const otherDisk: Contender = {
    ...peer,
    name: 'qemu-threads',
    what: `${what}; its disk by aio=threads instead of io_uring`,
    prepareLoad: (load) => loadQemu(file, load, { memoryBytes, engine: 'threads' }, scratch),
  }
  return { ...peer, otherDisk }
}

/**
 * Its network card is quickest as it is: tx=timer, x-txburst, rx_queue_size, mrg_rxbuf=off and event_idx=off were tried,
 * and gain nothing or lose. An iothread it does not take, and vhost is not compared: that is the kernel's.
 */
function loadQemu(
  file: string,
  { kernel, args, bootOptions = [], disk, tap }: GuestLoad,
  { memoryBytes, engine }: { readonly memoryBytes: number; readonly engine: DiskEngine },
  { env }: Scratch,
): Launcher {
  const drive = ['-drive', `if=none,id=disk,format=raw,cache=writeback,aio=${engine},file=${disk}`]
  const wire = ['-netdev', `tap,id=wire,ifname=${tap},script=no,downscript=no`]
  const devices = [
    ...(disk === undefined ? [] : [...drive, '-device', 'virtio-blk-device,drive=disk']),
    ...(tap === undefined ? [] : [...wire, '-device', 'virtio-net-device,netdev=wire']),
  ]
  // A path of one word: what follows " -- " is split at blanks.
  const line = [
    ...machineLine(memoryBytes),
    ...devices,
    '-kernel',
    kernel,
    '-append',
    [...bootOptions, '--', '/load', ...args].join(' '),
  ]
  return () => ({ file, args: line, env })
}
