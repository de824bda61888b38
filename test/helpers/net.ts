/** Frames for network tests, and a driver of the network card over a wire whose far end is the test's. */
import { createNetWire, type WireEnd, type WireOptions } from '../../src/backends/net-wire.ts'
import { type VirtioNet, virtioNet } from '../../src/devices/virtio-net.ts'
import { NET_HDR, NET_HEADER_BYTES } from '../../src/devices/virtio-net-header.ts'
import { IoVector } from '../../src/memory/io-vector.ts'
import type { UsedElement } from './driver-queue.ts'
import { createGuardedMemory } from './guarded-memory.ts'
import { ALL_RING_FEATURES, MmioDriver } from './mmio-driver.ts'

export const ALL_OFFLOADS = { checksum: true, tso4: true, tso6: true, ecn: true, uso: true }
export const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
export const RECEIVEQ = 0
export const TRANSMITQ = 1
export const CONTROLQ = 2
export const DATA = 0x8000

export interface HeaderFields {
  readonly flags?: number
  readonly gsoType?: number
  readonly headerLength?: number
  readonly gsoSize?: number
  readonly checksumStart?: number
  readonly checksumOffset?: number
  readonly buffers?: number
}

export const netHeader = (fields: HeaderFields = {}): Uint8Array => {
  const header = new Uint8Array(NET_HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint8(NET_HDR.flags, fields.flags ?? 0)
  view.setUint8(NET_HDR.gsoType, fields.gsoType ?? 0)
  view.setUint16(NET_HDR.headerLength, fields.headerLength ?? 0, true)
  view.setUint16(NET_HDR.gsoSize, fields.gsoSize ?? 0, true)
  view.setUint16(NET_HDR.checksumStart, fields.checksumStart ?? 0, true)
  view.setUint16(NET_HDR.checksumOffset, fields.checksumOffset ?? 0, true)
  view.setUint16(NET_HDR.buffers, fields.buffers ?? 0, true)
  return header
}

/** `bytes` long, from `source`, counting, so that order and wholeness show. */
export const frame = (bytes: number, seed = 0, source: Uint8Array = MAC): Uint8Array => {
  const made = Uint8Array.from({ length: bytes }, (_, at) => (at + seed) & 0xff)
  made.fill(0xff, 0, 6)
  if (bytes > 6) made.set(source.subarray(0, bytes - 6), 6)
  return made
}

export const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

export interface NetDriver {
  readonly driver: MmioDriver
  readonly device: VirtioNet
  /** The other end of the wire: its frames have our header in front. */
  readonly far: WireEnd
  readonly near: WireEnd
  plug(up: boolean): void
  /** Puts the bytes at `at` and posts them as one frame, cut into these lengths. */
  transmit(bytes: Uint8Array, cuts?: readonly number[], at?: number): void
  /** What came out at the far end. */
  arrived(): Uint8Array | undefined
  /** Puts a frame on the wire for the guest. */
  put(bytes: Uint8Array): void
  /** Frames in the receive buffers used since the last call, by what their headers say; buffers[id] is where. */
  received(buffers: ReadonlyMap<number, number>): { frame: Uint8Array; used: UsedElement[] }[]
}

export interface NetDriverOptions extends WireOptions {
  readonly features?: bigint
  readonly size?: number
  readonly ramBytes?: number
}

export const startNet = (options: NetDriverOptions = {}): NetDriver => {
  const { ends, plug } = createNetWire({ offloads: ALL_OFFLOADS, ...options })
  const [near, far] = ends
  const device = virtioNet({ backend: near, mac: MAC })
  const driver = new MmioDriver(device, createGuardedMemory([{ gpa: 0, size: options.ramBytes ?? 0x40000 }]))
  driver.start({ features: (options.features ?? device.features) | ALL_RING_FEATURES, size: options.size ?? 16 })
  const vector = new IoVector()
  return {
    driver,
    device,
    far,
    near,
    plug,
    transmit(bytes, cuts = [bytes.length], at = DATA) {
      driver.memory.bytes(at, bytes.length).set(bytes)
      let gpa = at
      const buffers = cuts.map((length) => {
        gpa += length
        return { gpa: gpa - length, length }
      })
      driver.queue(TRANSMITQ).post(...buffers)
      driver.kick(TRANSMITQ)
    },
    arrived() {
      const into = new Uint8Array(70_000)
      vector.pack([into])
      const got = far.receive(vector)
      return got === 0 ? undefined : into.slice(0, got)
    },
    put: (bytes) => {
      far.send(bytes, [], 0)
    },
    received(buffers) {
      const used = driver.queue(RECEIVEQ).takeUsed()
      const frames: { frame: Uint8Array; used: UsedElement[] }[] = []
      while (used.length > 0) {
        const count = driver.memory.readU16(buffers.get(used[0]!.id)! + NET_HDR.buffers)
        if (count === 0 || count > used.length) throw new Error(`${count} buffers announced, ${used.length} used`)
        const own = used.splice(0, count)
        const parts = own.map(({ id, length }) => driver.memory.bytes(buffers.get(id)!, length).slice())
        frames.push({ frame: join(...parts), used: own })
      }
      return frames
    },
  }
}

const ETHERNET = 14
const GSO_TYPES = [1, 4, 5, 0x81, 0x84]

/** What the host's side may rely on in every frame of a guest, whatever its driver wrote. @throws Error otherwise */
export const checkSentFrame = (bytes: Uint8Array): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const length = bytes.length - NET_HEADER_BYTES
  const expect = (holds: boolean, what: string) => {
    if (!holds)
      throw new Error(`${what}: ${Buffer.from(bytes.subarray(0, NET_HEADER_BYTES)).toString('hex')}, ${length}`)
  }
  const field = (at: number) => view.getUint16(at, true)
  expect(length >= ETHERNET, 'too short')
  const flags = view.getUint8(NET_HDR.flags)
  expect(flags <= 1, 'flags')
  expect(field(NET_HDR.buffers) === 0, 'num_buffers')
  expect(field(NET_HDR.headerLength) <= length, 'hdr_len')
  if (flags === 1) {
    expect(field(NET_HDR.checksumStart) >= ETHERNET, 'csum_start')
    expect(field(NET_HDR.checksumStart) + field(NET_HDR.checksumOffset) + 2 <= length, 'csum_offset')
  }
  const gso = view.getUint8(NET_HDR.gsoType)
  if (gso === 0) {
    expect(length <= 1500 + ETHERNET + 8, 'too long')
    expect(field(NET_HDR.gsoSize) === 0, 'gso_size without segments')
  } else {
    expect(GSO_TYPES.includes(gso), 'gso_type')
    expect(flags === 1 && field(NET_HDR.gsoSize) > 0, 'segments without a checksum or a size')
  }
}
