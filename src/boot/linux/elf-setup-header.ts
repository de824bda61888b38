/**
 * The setup header for a vmlinux without a PVH entry: an ELF file has none, and the kernel in it wants to find one in
 * boot_params. What a bzImage of any Linux from 3.8 on says.
 */
import { COMMAND_LINE_MAX } from '../../memory/memory-map.ts'
import { bootParams, SETUP_HEADER_START } from './boot-params.ts'
import { BOOT_FLAG, HEADER_END_MIN, HEADER_MAGIC, LOADED_HIGH, VERSION_MIN, XLF_KERNEL_64 } from './bzimage.ts'

const INITRD_ADDR_MAX = 0x7fff_ffff

const params = new Uint8Array(bootParams.size)
Object.assign(bootParams.view(params), {
  boot_flag: BOOT_FLAG,
  header: HEADER_MAGIC,
  version: VERSION_MIN,
  loadflags: LOADED_HIGH,
  initrd_addr_max: INITRD_ADDR_MAX,
  xloadflags: XLF_KERNEL_64,
  cmdline_size: COMMAND_LINE_MAX - 1,
})

export const ELF_SETUP_HEADER = {
  header: params.slice(SETUP_HEADER_START, HEADER_END_MIN),
  commandLineMax: COMMAND_LINE_MAX - 1,
  initrdEnd: INITRD_ADDR_MAX + 1,
}
