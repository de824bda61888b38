/**
 * struct boot_params, the "zero page", as far as a 64-bit kernel and this loader use it. The setup header has the same
 * place in it as in a bzImage's file, so one declaration reads the one and writes the other.
 * Linux Documentation/arch/x86/zero-page.rst and boot.rst; <asm/bootparam.h>, against which a test holds every row.
 */
import { array, at, bytes, struct, u8, u16, u32, u64 } from '../../../kvm-bindings/layout.ts'

/** The table's entries have no padding between them, unlike what alignment would give. */
export const E820_ENTRY_SIZE = 20
export const E820_ENTRIES_MAX = 128

export const SETUP_HEADER_START = 0x1f1
/** Where the next part of boot_params begins: no header reaches further. */
export const SETUP_HEADER_LIMIT = 0x290

const setupHeader = {
  setup_sects: at(SETUP_HEADER_START, u8),
  syssize: at(0x1f4, u32),
  vid_mode: at(0x1fa, u16),
  boot_flag: at(0x1fe, u16),
  jump: at(0x200, u16),
  header: at(0x202, u32),
  version: at(0x206, u16),
  type_of_loader: at(0x210, u8),
  loadflags: at(0x211, u8),
  ramdisk_image: at(0x218, u32),
  ramdisk_size: at(0x21c, u32),
  heap_end_ptr: at(0x224, u16),
  ext_loader_ver: at(0x226, u8),
  ext_loader_type: at(0x227, u8),
  cmd_line_ptr: at(0x228, u32),
  initrd_addr_max: at(0x22c, u32),
  kernel_alignment: at(0x230, u32),
  relocatable_kernel: at(0x234, u8),
  xloadflags: at(0x236, u16),
  cmdline_size: at(0x238, u32),
  setup_data: at(0x250, u64),
  pref_address: at(0x258, u64),
  init_size: at(0x260, u32),
} as const

export const SETUP_HEADER_FIELDS: readonly string[] = Object.keys(setupHeader)

export const bootParams = struct(
  'boot_params',
  { size: 4096 },
  {
    acpi_rsdp_addr: at(0x70, u64),
    ext_ramdisk_image: at(0xc0, u32),
    ext_ramdisk_size: at(0xc4, u32),
    ext_cmd_line_ptr: at(0xc8, u32),
    e820_entries: at(0x1e8, u8),
    ...setupHeader,
    e820_table: at(0x2d0, array(bytes(E820_ENTRY_SIZE), E820_ENTRIES_MAX)),
    reserved_end: at(4095, u8),
  },
)
