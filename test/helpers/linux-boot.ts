/**
 * The kernel, first root and root image of a microVM, booted without a vsock device, so that the agent says that it has
 * nobody to talk to and switches the machine off: under QEMU, and in a machine of ours that has the same two devices.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../../src/bench/find-program.ts'
import { machineLine } from '../../src/bench/qemu-peer.ts'
import { MIB } from '../../src/memory/memory-map.ts'
import { guestLinux } from '../../src/microvm/guest-linux.ts'
import { initramfs } from '../../src/microvm/initramfs.ts'
import { kernelArguments } from '../../src/microvm/kernel-arguments.ts'
import { ROOT_SERIAL } from '../../src/microvm/root-disk.ts'
import { rootImage } from '../../src/microvm/root-image.ts'
import { agentPath } from '../../src/paths.ts'
import { BUSYBOX } from './busybox-spec.ts'

/** What the agent says on the console of a machine without a vsock device (rootfs/agent/main.c). */
export const AGENT_ALONE = 'agent: there is no vsock device'

export interface LinuxBoot {
  readonly kernel: string
  readonly initrd: string
  readonly image: string
  readonly append: string
  readonly memoryBytes: number
}

/** @param directory of the caller's own, for the initial RAM disk; the image goes to the cache of images */
export async function linuxBoot(directory: string): Promise<LinuxBoot> {
  const linux = guestLinux()
  const archive = initramfs({ agent: agentPath })
  const bytes = new Uint8Array(archive.size)
  archive.write(bytes)
  const initrd = join(directory, 'initramfs.cpio')
  writeFileSync(initrd, bytes)
  return {
    ...{ kernel: linux.path, initrd, memoryBytes: 128 * MIB },
    image: await rootImage({ kind: 'program', hostPath: BUSYBOX, path: BUSYBOX }),
    append: kernelArguments({ flavour: linux.flavour }),
  }
}

export interface CommandLine {
  readonly file: string
  readonly args: readonly string[]
}

/** @throws ContenderRefused where there is no QEMU */
export const underQemu = ({ kernel, initrd, image, append, memoryBytes }: LinuxBoot): CommandLine => ({
  file: findProgram('qemu-system-x86_64', 'apt-get install qemu-system-x86'),
  args: [
    ...machineLine(memoryBytes),
    ...['-drive', `if=none,id=root,format=raw,readonly=on,file=${image}`],
    ...['-device', `virtio-blk-device,drive=root,serial=${ROOT_SERIAL}`, '-device', 'virtio-rng-device'],
    ...['-kernel', kernel, '-initrd', initrd, '-append', append],
  ],
})

/** A process that does the same with our machine, its serial port on standard output. */
export const underOurs = ({ kernel, initrd, image, append, memoryBytes }: LinuxBoot): CommandLine => ({
  file: process.execPath,
  args: [
    fileURLToPath(new URL('./linux-boot-process.js', import.meta.url)),
    ...[kernel, initrd, image, String(memoryBytes), append],
  ],
})
