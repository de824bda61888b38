/**
 * The registers of a virtio-mmio device, version 2: offset, name as the specification spells it, and who may do what.
 * virtio 1.2 §4.2.2
 */

export interface RegisterRow {
  readonly offset: number
  readonly name: string
  /** As the driver sees it. */
  readonly access: 'r' | 'w' | 'rw'
}

export const MMIO_REGISTERS = [
  { offset: 0x000, name: 'MagicValue', access: 'r' },
  { offset: 0x004, name: 'Version', access: 'r' },
  { offset: 0x008, name: 'DeviceID', access: 'r' },
  { offset: 0x00c, name: 'VendorID', access: 'r' },
  { offset: 0x010, name: 'DeviceFeatures', access: 'r' },
  { offset: 0x014, name: 'DeviceFeaturesSel', access: 'w' },
  { offset: 0x020, name: 'DriverFeatures', access: 'w' },
  { offset: 0x024, name: 'DriverFeaturesSel', access: 'w' },
  { offset: 0x030, name: 'QueueSel', access: 'w' },
  { offset: 0x034, name: 'QueueNumMax', access: 'r' },
  { offset: 0x038, name: 'QueueNum', access: 'w' },
  { offset: 0x044, name: 'QueueReady', access: 'rw' },
  { offset: 0x050, name: 'QueueNotify', access: 'w' },
  { offset: 0x060, name: 'InterruptStatus', access: 'r' },
  { offset: 0x064, name: 'InterruptACK', access: 'w' },
  { offset: 0x070, name: 'Status', access: 'rw' },
  { offset: 0x080, name: 'QueueDescLow', access: 'w' },
  { offset: 0x084, name: 'QueueDescHigh', access: 'w' },
  { offset: 0x090, name: 'QueueDriverLow', access: 'w' },
  { offset: 0x094, name: 'QueueDriverHigh', access: 'w' },
  { offset: 0x0a0, name: 'QueueDeviceLow', access: 'w' },
  { offset: 0x0a4, name: 'QueueDeviceHigh', access: 'w' },
  { offset: 0x0ac, name: 'SHMSel', access: 'w' },
  { offset: 0x0b0, name: 'SHMLenLow', access: 'r' },
  { offset: 0x0b4, name: 'SHMLenHigh', access: 'r' },
  { offset: 0x0b8, name: 'SHMBaseLow', access: 'r' },
  { offset: 0x0bc, name: 'SHMBaseHigh', access: 'r' },
  { offset: 0x0fc, name: 'ConfigGeneration', access: 'r' },
] as const satisfies readonly RegisterRow[]

export type RegisterName = (typeof MMIO_REGISTERS)[number]['name']

/** Offset of each register by its name, for drivers (tests, benchmarks) and for the exit trace. */
export const MMIO_OFFSET = Object.fromEntries(MMIO_REGISTERS.map(({ name, offset }) => [name, offset])) as Record<
  RegisterName,
  number
>

/** Where the device's configuration space begins. */
export const MMIO_CONFIG = 0x100
/** One page for each device. */
export const MMIO_WINDOW_BYTES = 0x1000

export const MMIO_MAGIC = 0x74726976 // "virt"
export const MMIO_VERSION = 2
export const MMIO_VENDOR = 0x54534c43 // "CLST"

/**
 * Registers whose writes take effect only with a later write that leaves the guest (QueueNum with QueueReady,
 * DriverFeatures with Status), or for InterruptACK with the device's next interrupt: whoever carries the accesses may
 * collect these writes and deliver them, in order, before that. An interrupt then costs the guest no exit for being
 * acknowledged. All others change what is read next, without an access that could deliver them first when the guest
 * reads a page (register-page.ts).
 */
export const DEFERRABLE_WRITES = [
  { from: 'DriverFeatures', to: 'DriverFeaturesSel' },
  { from: 'QueueNum', to: 'QueueNum' },
  { from: 'InterruptACK', to: 'InterruptACK' },
  { from: 'QueueDescLow', to: 'QueueDeviceHigh' },
].map(({ from, to }) => ({
  offset: MMIO_OFFSET[from as RegisterName],
  size: MMIO_OFFSET[to as RegisterName] + 4 - MMIO_OFFSET[from as RegisterName],
}))
