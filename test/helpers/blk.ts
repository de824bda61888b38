/** A virtio-blk with a disk in memory, and one request at a time to it. */
import { virtioBlk } from '../../src/devices/virtio-blk.ts'
import type { Buffer } from './driver-queue.ts'
import { createMemoryDisk, type MemoryDisk } from './memory-disk.ts'
import { ALL_RING_FEATURES, MmioDriver } from './mmio-driver.ts'

export const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13] as const
export const [OK, IOERR, UNSUPP] = [0, 1, 2] as const
export const UNTOUCHED = 0xee
export const F = {
  RO: 1n << 5n,
  FLUSH: 1n << 9n,
  CONFIG_WCE: 1n << 11n,
  DISCARD: 1n << 13n,
  WRITE_ZEROES: 1n << 14n,
} as const

export const HEADER = 0x4000
export const STATUS = 0x4100
export const DATA = 0x8000
export const SECTORS = 64

export interface Fixture {
  readonly disk: MemoryDisk
  readonly driver: MmioDriver
}

export const start = ({
  disk = createMemoryDisk({ sectors: SECTORS }),
  features = undefined as bigint | undefined,
}: {
  disk?: MemoryDisk
  features?: bigint
} = {}): Fixture => {
  const device = virtioBlk(disk)
  const driver = new MmioDriver(device)
  driver.start({ features: (features ?? device.features) | ALL_RING_FEATURES, size: 64 })
  return { disk, driver }
}

export const writeHeader = ({ driver }: Fixture, type: number, sector: bigint | number): Buffer => {
  const view = new DataView(new ArrayBuffer(16))
  view.setUint32(0, type, true)
  view.setBigUint64(8, BigInt.asUintN(64, BigInt(sector)), true)
  driver.memory.bytes(HEADER, 16).set(new Uint8Array(view.buffer))
  return { gpa: HEADER, length: 16 }
}

/** Sends one request. @returns its status byte, and the used length if it came back. */
export const ask = (
  fixture: Fixture,
  type: number,
  sector: bigint | number,
  ...data: readonly Buffer[]
): { status: number; used: number | undefined } => {
  const { driver } = fixture
  const header = writeHeader(fixture, type, sector)
  driver.memory.bytes(STATUS, 1)[0] = UNTOUCHED
  driver.queue(0).post(header, ...data, { gpa: STATUS, length: 1, write: true })
  driver.kick(0)
  return { status: driver.memory.bytes(STATUS, 1)[0]!, used: driver.queue(0).takeUsed()[0]?.length }
}

export const toDevice = (length: number): Buffer => ({ gpa: DATA, length })
export const toDriver = (length: number): Buffer => ({ gpa: DATA, length, write: true })
export const pattern = (length: number, seed = 1) => Uint8Array.from({ length }, (_, at) => (at * 7 + seed) & 0xff)

export const range = (sector: bigint | number, sectors: number, flags = 0): Uint8Array => {
  const view = new DataView(new ArrayBuffer(16))
  view.setBigUint64(0, BigInt.asUintN(64, BigInt(sector)), true)
  view.setUint32(8, sectors, true)
  view.setUint32(12, flags, true)
  return new Uint8Array(view.buffer)
}

export const askRanges = (fixture: Fixture, type: number, ...ranges: readonly Uint8Array[]) => {
  const bytes = ranges.flatMap((one) => [...one])
  if (bytes.length === 0) return ask(fixture, type, 0)
  fixture.driver.memory.bytes(DATA, bytes.length).set(bytes)
  return ask(fixture, type, 0, toDevice(bytes.length))
}
