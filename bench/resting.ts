/** VMs whose guest sleeps, Cloister's and QEMU's with the same guest kernel and program, for scripts that look at them. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../src/bench/find-program.ts'
import { machineLine } from '../src/bench/qemu-peer.ts'
import { planCpio } from '../src/image/cpio.ts'
import { rootTree } from '../src/image/root-tree.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { packageRoot, unikernelPath } from '../src/paths.ts'
import { type HostTap, makeTap, whyNoTaps } from '../test/helpers/taps.ts'

const PROGRAM = '/bin/busybox'
const MEMORY = 128 * MIB
const DISK_BYTES = 64 * MIB
const cloister = join(packageRoot, 'bin/cloister')

export interface Resting {
  readonly pid: number
  end(): Promise<void>
}

export interface Devices {
  readonly disk: string
  readonly tap: HostTap
}

interface Inspected {
  readonly state: { readonly owner: { readonly pid: number } }
}

/** What the VMs of one script share. */
export class RestingVms {
  readonly #root = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
  readonly #env = { ...process.env, CLOISTER_ROOT: this.#root }
  readonly #initrd = join(this.#root, 'root.cpio')
  readonly #vms: Resting[] = []
  readonly #taps: HostTap[] = []
  #count = 0

  constructor() {
    const archive = planCpio(rootTree({ kind: 'program', hostPath: PROGRAM, path: '/busybox' }))
    const bytes = new Uint8Array(archive.size)
    archive.write(bytes)
    writeFileSync(this.#initrd, bytes)
  }

  /** A disk and a tap that nobody else has; undefined, and said so, where taps cannot be made. */
  makeDevices(): Devices | undefined {
    const reason = whyNoTaps()
    if (reason !== undefined) {
      process.stderr.write(`Without a disk and a network card only: ${reason}.\n`)
      return undefined
    }
    const disk = join(this.#root, `${++this.#count}.img`)
    writeFileSync(disk, '')
    truncateSync(disk, DISK_BYTES)
    const tap = makeTap()
    this.#taps.push(tap)
    return { disk, tap }
  }

  startCloister(devices?: Devices): Resting {
    const name = `resting-${++this.#count}`
    const attached = devices ? ['--disk', devices.disk, '--net', `tap:${devices.tap.name}`] : []
    const flags = ['-d', '--name', name, '--isolation', 'unikernel', '--memory', String(MEMORY), ...attached]
    const run = (...args: string[]) => execFileSync(cloister, args, { env: this.#env, encoding: 'utf8' })
    run('run', ...flags, PROGRAM, 'sleep', '100000')
    return this.#keep({
      pid: (JSON.parse(run('inspect', name)) as [Inspected])[0].state.owner.pid,
      end: async () => void run('rm', '-f', name),
    })
  }

  startQemu(devices?: Devices): Resting {
    const attached = devices && [
      ...['-drive', `if=none,id=disk,format=raw,cache=writeback,aio=io_uring,file=${devices.disk}`],
      ...['-device', 'virtio-blk-device,drive=disk'],
      ...['-netdev', `tap,id=wire,ifname=${devices.tap.name},script=no,downscript=no`],
      ...['-device', 'virtio-net-device,netdev=wire'],
    ]
    const kernel = ['-kernel', unikernelPath, '-initrd', this.#initrd, '-append', '-- /busybox sleep 100000']
    const line = [...machineLine(MEMORY), ...(attached ?? []), ...kernel]
    const qemu = spawn(findProgram('qemu-system-x86_64', 'apt-get install qemu-system-x86'), line, { stdio: 'ignore' })
    const gone = once(qemu, 'exit')
    return this.#keep({
      pid: qemu.pid!,
      end: async () => {
        qemu.kill('SIGKILL')
        await gone
      },
    })
  }

  /** Ends what still rests, and removes all. */
  async close(): Promise<void> {
    for (const vm of [...this.#vms]) await vm.end()
    for (const tap of this.#taps) tap.remove()
    rmSync(this.#root, { recursive: true, force: true })
  }

  #keep(vm: Resting): Resting {
    const kept: Resting = {
      pid: vm.pid,
      end: async () => {
        this.#vms.splice(this.#vms.indexOf(kept), 1)
        await vm.end()
      },
    }
    this.#vms.push(kept)
    return kept
  }
}
