/** A network card over a backend of the host's, with the driver that a test plays. */
import type { ExecutionContext } from 'ava'
import type { NetBackend } from '../../src/backends/net-backend.ts'
import { type NetOptions, type VirtioNet, virtioNet } from '../../src/devices/virtio-net.ts'
import { NET_HDR } from '../../src/devices/virtio-net-header.ts'
import type { GuestMemory } from '../../src/memory/guest-memory.ts'
import type { Clock } from '../../src/virtio/rate-limiter.ts'
import { DriverQueue } from './driver-queue.ts'
import { ALL_RING_FEATURES, MmioDriver, READY } from './mmio-driver.ts'
import { join, RECEIVEQ, TRANSMITQ } from './net.ts'

const QUEUE_SIZE = 64
const BUFFERS = 0x100000
const BUFFER_BYTES = 2048
const OUT = 0x80000

interface Paced extends Pick<NetOptions, 'rate'> {
  readonly clock?: Clock
}

/** A card and its driver, with receive buffers posted at all times. */
export class Card {
  readonly device: VirtioNet
  readonly driver: MmioDriver
  readonly #heads = new Map<number, number>()

  constructor(backend: NetBackend, memory: GuestMemory, mac: Uint8Array, features?: bigint, paced: Paced = {}) {
    const device = virtioNet({ backend, mac, rate: paced.rate })
    const driver = new MmioDriver(device, { memory, bytes: new Uint8Array(), strayWrites: () => [] }, paced.clock)
    this.device = device
    this.driver = driver
    driver.negotiate((features ?? device.features) | ALL_RING_FEATURES)
    driver.queues = [0, 1, 2].map((index) => new DriverQueue(driver.memory, 0x1000 + 0x1000 * index, QUEUE_SIZE))
    for (const [index, queue] of driver.queues.entries()) driver.setUpQueue(index, queue)
    driver.write('Status', READY)
    for (let index = 0; index < QUEUE_SIZE; index++) this.#post(BUFFERS + index * BUFFER_BYTES)
    driver.kick(RECEIVEQ)
  }

  #post(gpa: number): void {
    this.#heads.set(this.driver.queue(RECEIVEQ).post({ gpa, length: BUFFER_BYTES, write: true }), gpa)
  }

  /** Frames that came, with their headers; their buffers go back. */
  take(): Uint8Array[] {
    const frames: Uint8Array[] = []
    const used = this.driver.queue(RECEIVEQ).takeUsed()
    while (used.length > 0) {
      const count = this.driver.memory.readU16(this.#heads.get(used[0]!.id)! + NET_HDR.buffers)
      const own = used.splice(0, count)
      frames.push(join(...own.map(({ id, length }) => this.driver.memory.bytes(this.#heads.get(id)!, length).slice())))
      for (const { id } of own) this.#post(this.#heads.get(id)!)
    }
    this.driver.kick(RECEIVEQ)
    // The later turns of the event loop that the device asked for.
    this.driver.settle()
    return frames
  }

  send(bytes: Uint8Array): void {
    this.driver.memory.bytes(OUT, bytes.length).set(bytes)
    this.driver.queue(TRANSMITQ).takeUsed()
    this.driver.queue(TRANSMITQ).post({ gpa: OUT, length: bytes.length })
    this.driver.kick(TRANSMITQ)
  }
}

export const until = async <T>(t: ExecutionContext, what: string, look: () => T | undefined): Promise<T> => {
  for (let tries = 0; tries < 500; tries++) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.fail(`${what} did not come`)
  throw new Error(what)
}

export const u16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff)

/** The sum that Internet checksums are the complement of. RFC 1071 */
export const onesSum = (bytes: Uint8Array): number => {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return sum
}
