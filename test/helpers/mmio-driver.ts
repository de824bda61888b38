/**
 * The driver's side of a virtio-mmio device: register accesses as bus accesses, the initialisation of virtio 1.2 §3.1.1
 * and §4.2.3, and counters for what reaches the guest.
 */
import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
  type VirtioDevice,
} from '../../src/virtio/device.ts'
import { createMmioTransport, type MmioTransport } from '../../src/virtio/mmio-transport.ts'
import type { Clock } from '../../src/virtio/rate-limiter.ts'
import { MMIO_CONFIG, MMIO_OFFSET, MMIO_WINDOW_BYTES, type RegisterName } from '../../src/virtio/registers.ts'
import { STATUS } from '../../src/virtio/status.ts'
import { DriverQueue } from './driver-queue.ts'
import { createGuardedMemory, type GuardedMemory } from './guarded-memory.ts'

export const ALL_RING_FEATURES = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX
export const { ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, DEVICE_NEEDS_RESET, FAILED } = STATUS
export const READY = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK

/** Where tests put queues and data in the low region. */
const QUEUES_AT = 0x1000
const QUEUE_STRIDE = 0x400

export class MmioDriver {
  readonly transport: MmioTransport
  readonly guarded: GuardedMemory
  readonly log: string[] = []
  interrupts = 0
  onInterrupt = () => {}
  /** Tasks the transport put off to a later turn of the event loop. */
  readonly deferred: (() => void)[] = []
  queues: DriverQueue[] = []
  /** What a guest would read instead: whatever is read in a test must be the same there. */
  readonly page = new Uint8Array(MMIO_WINDOW_BYTES).fill(0xaa)
  /** Register writes that the machine keeps back, as KVM does with DEFERRABLE_WRITES. */
  readonly #keptBack: [RegisterName, number][] = []

  constructor(device: VirtioDevice, guarded: GuardedMemory = createGuardedMemory(), clock?: Clock) {
    this.guarded = guarded
    this.transport = createMmioTransport({
      device,
      memory: guarded.memory,
      raiseInterrupt: () => {
        this.interrupts++
        this.onInterrupt()
      },
      settle: () => this.deliverKeptBack(),
      clock,
      page: this.page,
      log: (message) => this.log.push(message),
      defer: (task) => {
        this.deferred.push(task)
      },
    })
  }

  get memory() {
    return this.guarded.memory
  }

  read(register: RegisterName): number {
    const data = new Uint8Array(4)
    this.transport.read(MMIO_OFFSET[register], data)
    const value = new DataView(data.buffer).getUint32(0, true)
    const shown = new DataView(this.page.buffer).getUint32(MMIO_OFFSET[register], true)
    if (shown !== value) throw new Error(`the page shows ${shown} for ${register}, which reads as ${value}`)
    return value
  }

  write(register: RegisterName, value: number): void {
    this.writeAt(MMIO_OFFSET[register], value, 4)
  }

  /** The device hears of it only when the transport asks for what was kept back. */
  writeKeptBack(register: RegisterName, value: number): void {
    this.#keptBack.push([register, value])
  }

  deliverKeptBack(): void {
    for (const [register, value] of this.#keptBack.splice(0)) this.write(register, value)
  }

  writeAt(offset: number, value: number, width: number): void {
    const data = new Uint8Array(8)
    new DataView(data.buffer).setUint32(0, value >>> 0, true)
    this.transport.write(offset, data.subarray(0, width))
  }

  readConfig(offset: number, length: number): Uint8Array {
    const data = new Uint8Array(length).fill(0xee)
    this.transport.read(MMIO_CONFIG + offset, data)
    const shown = this.page.subarray(MMIO_CONFIG + offset, MMIO_CONFIG + offset + length)
    if (Buffer.compare(shown, data) !== 0)
      throw new Error(`the page shows ${shown} at ${offset}, which reads as ${data}`)
    return data
  }

  get status(): number {
    return this.read('Status')
  }

  get needsReset(): boolean {
    return (this.status & DEVICE_NEEDS_RESET) !== 0
  }

  offeredFeatures(): bigint {
    this.write('DeviceFeaturesSel', 0)
    const low = this.read('DeviceFeatures')
    this.write('DeviceFeaturesSel', 1)
    return BigInt(low) | (BigInt(this.read('DeviceFeatures')) << 32n)
  }

  writeFeatures(features: bigint): void {
    this.write('DriverFeaturesSel', 0)
    this.write('DriverFeatures', Number(features & 0xffffffffn))
    this.write('DriverFeaturesSel', 1)
    this.write('DriverFeatures', Number(features >> 32n))
  }

  /** Up to FEATURES_OK. @returns whether the device agreed. */
  negotiate(features: bigint): boolean {
    this.write('Status', 0)
    this.write('Status', ACKNOWLEDGE)
    this.write('Status', ACKNOWLEDGE | DRIVER)
    this.writeFeatures(features)
    this.write('Status', ACKNOWLEDGE | DRIVER | FEATURES_OK)
    return (this.status & FEATURES_OK) !== 0
  }

  /** Tells the device where a queue is, and that it is ready. */
  setUpQueue(index: number, queue: DriverQueue): void {
    this.write('QueueSel', index)
    this.write('QueueNum', queue.size)
    this.writeAddress('QueueDesc', queue.descriptors)
    this.writeAddress('QueueDriver', queue.available)
    this.writeAddress('QueueDevice', queue.used)
    this.write('QueueReady', 1)
  }

  writeAddress(area: 'QueueDesc' | 'QueueDriver' | 'QueueDevice', address: number | bigint): void {
    const bits = BigInt.asUintN(64, BigInt(address))
    this.write(`${area}Low`, Number(bits & 0xffffffffn))
    this.write(`${area}High`, Number(bits >> 32n))
  }

  /** The whole initialisation, with a fresh queue for each of the device's. */
  start({ features = ALL_RING_FEATURES, size = 8 }: { features?: bigint; size?: number } = {}): void {
    this.negotiate(features)
    this.queues = Array.from({ length: this.transport.queueCount }, (_, index) => {
      const at = QUEUES_AT + index * QUEUE_STRIDE
      this.memory.bytes(at, QUEUE_STRIDE).fill(0)
      return new DriverQueue(this.memory, at, size)
    })
    for (const [index, queue] of this.queues.entries()) this.setUpQueue(index, queue)
    this.write('Status', READY)
  }

  queue(index: number): DriverQueue {
    return this.queues[index]!
  }

  kick(index: number): void {
    this.write('QueueNotify', index)
  }

  /** Runs what was put off, and what that puts off, at most `turns` times. @returns how many turns there were. */
  settle(turns = 100): number {
    let done = 0
    for (; done < turns && this.deferred.length > 0; done++) this.deferred.shift()!()
    return done
  }

  text(gpa: number, length: number): string {
    return new TextDecoder().decode(this.memory.bytes(gpa, length))
  }

  put(gpa: number, text: string): { gpa: number; length: number } {
    const bytes = new TextEncoder().encode(text)
    this.memory.bytes(gpa, bytes.length).set(bytes)
    return { gpa, length: bytes.length }
  }
}
