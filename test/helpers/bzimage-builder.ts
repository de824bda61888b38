/** A small well-formed bzImage, for tests that then break it: five sectors of setup, a kernel of 4 KiB. */
import { bootParams } from '../../src/boot/linux/boot-params.ts'
import { MIB } from '../../src/memory/memory-map.ts'

export const SETUP_SECTS = 4
export const KERNEL_OFFSET = (SETUP_SECTS + 1) * 512
export const KERNEL_SIZE = 4096
export const LOAD_GPA = 2 * MIB
export const INIT_SIZE = MIB
export const HEADER_END = 0x26c

export type HeaderFields = Partial<ReturnType<typeof bootParams.decode>>

/** @param changes of the setup header */
export function buildBzImage(changes: HeaderFields = {}): Uint8Array {
  const file = new Uint8Array(KERNEL_OFFSET + KERNEL_SIZE)
  Object.assign(bootParams.view(file), {
    setup_sects: SETUP_SECTS,
    syssize: KERNEL_SIZE / 16,
    boot_flag: 0xaa55,
    // A short jump over the header.
    jump: 0xeb | ((HEADER_END - 0x202) << 8),
    header: 0x53726448,
    version: 0x20f,
    loadflags: 1,
    initrd_addr_max: 0x7fff_ffff,
    kernel_alignment: 2 * MIB,
    relocatable_kernel: 1,
    xloadflags: 1,
    cmdline_size: 2047,
    pref_address: BigInt(LOAD_GPA),
    init_size: INIT_SIZE,
    ...changes,
  })
  for (let at = 0; at < KERNEL_SIZE; at++) file[KERNEL_OFFSET + at] = at & 0xff
  return file
}
