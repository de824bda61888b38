/** The driver's side of a virtio-vsock device: packets out through tx, packets in through rx. virtio 1.2 §5.10.6 */

import {
  encodeHeader,
  readHeader,
  VIRTIO_VSOCK_OP,
  VSOCK_HEADER_BYTES,
  type VsockHeader,
} from '../../src/devices/virtio-vsock-packet.ts'
import { gather } from '../../src/virtio/chain.ts'
import type { VirtioDevice } from '../../src/virtio/device.ts'
import { createGuardedMemory } from './guarded-memory.ts'
import { MmioDriver } from './mmio-driver.ts'

export const GUEST_CID = 3
export const OP = VIRTIO_VSOCK_OP
const RX = 0
const TX = 1
export const EVENT = 2
/** Above the queues. */
const RX_AT = 0x4000
const TX_AT = 0x40000
const RAM_BYTES = 0x200000

export interface Packet extends VsockHeader {
  readonly payload: Uint8Array
}

export class VsockDriver {
  readonly mmio: MmioDriver
  readonly #rxBytes: number
  readonly #rxBuffers = new Map<number, number>()

  /** @param rxBytes of each receive buffer @param rxCount buffers to begin with */
  constructor(device: VirtioDevice, { rxBytes = 1024, rxCount = 8 } = {}) {
    this.mmio = new MmioDriver(device, createGuardedMemory([{ gpa: 0, size: RAM_BYTES }]))
    this.#rxBytes = rxBytes
    this.start(rxCount)
  }

  start(rxCount = 8): void {
    this.mmio.start({ size: 8 })
    this.#rxBuffers.clear()
    for (let i = 0; i < rxCount; i++) this.offer(RX_AT + i * this.#rxBytes)
    this.mmio.kick(RX)
  }

  offer(gpa: number): void {
    this.#rxBuffers.set(this.mmio.queue(RX).post({ gpa, length: this.#rxBytes, write: true }), gpa)
  }

  /** A packet of the guest's; what is not said is as it should be. @param pieces lengths of its buffers, header first */
  send(fields: Partial<VsockHeader> & { op: number }, payload = new Uint8Array(0), pieces?: readonly number[]): void {
    const header = encodeHeader({
      srcCid: BigInt(GUEST_CID),
      dstCid: 2n,
      srcPort: 1000,
      dstPort: 80,
      len: payload.length,
      type: 1,
      flags: 0,
      bufAlloc: 0x40000,
      fwdCnt: 0,
      ...fields,
    })
    const bytes = Buffer.concat([header, payload])
    this.mmio.memory.bytes(TX_AT, bytes.length).set(bytes)
    let at = TX_AT
    const buffers = (pieces ?? [bytes.length]).map((length) => {
      at += length
      return { gpa: at - length, length }
    })
    this.mmio.queue(TX).post(...buffers)
    this.mmio.kick(TX)
    this.mmio.settle()
    this.mmio.queue(TX).takeUsed()
  }

  /** What has come, with the buffers offered again unless told otherwise. */
  take({ refill = true } = {}): Packet[] {
    const packets = this.mmio
      .queue(RX)
      .takeUsed()
      .map(({ id, length }) => {
        const gpa = this.#rxBuffers.get(id)!
        this.#rxBuffers.delete(id)
        const packet = parsePacket(this.mmio.memory.bytes(gpa, length).slice())
        if (refill) this.offer(gpa)
        return packet
      })
    if (refill && packets.length > 0) {
      this.mmio.kick(RX)
      this.mmio.settle()
    }
    return packets
  }

  /** Takes until nothing more comes. */
  takeAll(): Packet[] {
    const all: Packet[] = []
    for (let some = this.take(); some.length > 0; some = this.take()) all.push(...some)
    return all
  }

  /** The operations that have come. */
  ops(): number[] {
    return this.takeAll().map(({ op }) => op)
  }
}

const parsePacket = (bytes: Uint8Array): Packet => {
  const chain = { readable: [bytes] } as unknown as Parameters<typeof readHeader>[0]
  const header = readHeader(chain)
  if (!header) throw new Error(`a packet of ${bytes.length} bytes`)
  const payload = new Uint8Array(bytes.length - VSOCK_HEADER_BYTES)
  gather([bytes], payload, VSOCK_HEADER_BYTES)
  return { ...header, payload }
}
