/**
 * virtio over memory-mapped registers, version 2: carries one device. Owns its status, feature negotiation, queue
 * set-up, interrupts and reset; the device itself sees chains only. virtio 1.2 §4.2
 */
import type { BusDevice } from '../bus/bus.ts'
import { HostError } from '../errors.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import {
  type DeviceHost,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
  type VirtioDevice,
} from './device.ts'
import { DriverError } from './driver-error.ts'
import { GuestViews } from './guest-views.ts'
import { type Budget, VirtQueue } from './queue.ts'
import {
  INTERRUPT_CONFIG_CHANGE,
  INTERRUPT_USED_BUFFER,
  MMIO_CONFIG,
  MMIO_MAGIC,
  MMIO_REGISTERS,
  MMIO_VENDOR,
  MMIO_VERSION,
  type RegisterName,
} from './registers.ts'
import type { QueueSetup } from './ring-areas.ts'
import { hex, type JsonObject, SavedFields } from './saved-state.ts'
import { STATUS, statusStep } from './status.ts'
import { Turns } from './turns.ts'

export interface MmioTransportOptions {
  readonly device: VirtioDevice
  readonly memory: GuestMemory
  /** An edge on the device's interrupt line. */
  readonly raiseInterrupt: () => void
  /** Told of drivers' mistakes, a bounded number of times. */
  readonly log?: (message: string) => void
  /** Runs a task in a later turn of the event loop; `setImmediate` unless said. */
  readonly defer?: (task: () => void) => void
}

export type TransportState = JsonObject

/** A BusDevice of MMIO_WINDOW_BYTES. */
export interface MmioTransport extends BusDevice {
  readonly queueCount: number
  /** A kick of one queue, by ioeventfd or by the QueueNotify register. */
  notify(queueIndex: number): void
  /** Handles now whatever is available on all queues. For a guest that has stopped; output a sink refused stays. */
  drain(): void
  /** As if the driver had written 0 to Status. */
  reset(): void
  /** Only while the guest does not run. */
  save(): TransportState
  /** Into a fresh transport of the same device over the restored memory. @throws HostError when the state is not fit. */
  restore(state: TransportState): void
}

/** One call of a device's handler; the bytes are about a millisecond of copying. */
const TURN: Budget = { chains: 256, bytes: 16 * 2 ** 20 }
/** Log lines that one device may cause: a guest must not fill the host's disk. */
const LOG_LINES = 32

export const createMmioTransport = (options: MmioTransportOptions): MmioTransport => new Transport(options)

interface Register {
  readonly name: RegisterName
  readonly read?: () => number
  readonly write?: (value: number) => void
}

class Transport implements MmioTransport, DeviceHost {
  readonly name: string
  readonly #device: VirtioDevice
  readonly #queues: readonly VirtQueue[]
  readonly #registers: readonly (Register | undefined)[]
  readonly #offered: bigint
  readonly #raiseInterrupt: () => void
  readonly #log: (message: string) => void
  readonly #turns: Turns
  #logLines = 0

  #status = 0
  #interruptStatus = 0
  #configGeneration = 0
  #deviceFeaturesSel = 0
  #driverFeaturesSel = 0
  #driverFeatures = 0n
  #queueSel = 0
  /** DRIVER_OK and nothing went wrong since. */
  #active = false

  constructor(options: MmioTransportOptions) {
    const { device, memory, raiseInterrupt, log = () => {}, defer = setImmediate } = options
    this.name = `virtio-${device.name}`
    this.#device = device
    this.#raiseInterrupt = raiseInterrupt
    this.#log = log
    this.#offered = device.features | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX
    const views = new GuestViews(memory)
    const onUsed = () => {
      if (!this.#turns.running) this.#publish()
    }
    this.#queues = device.queues.map((spec, index) => new VirtQueue(index, spec, views, onUsed))
    this.#turns = new Turns({
      serve: (index) => this.#serve(index),
      done: () => this.#publish(),
      defer: (task) => void defer(task),
    })
    this.#registers = this.#wireRegisters()
  }

  // --- what the device sees ---

  get features(): bigint {
    return this.#driverFeatures
  }

  queue(index: number): VirtQueue {
    return this.#queues[index]!
  }

  serve(queueIndex: number): void {
    this.notify(queueIndex)
  }

  configChanged(): void {
    this.#configGeneration = (this.#configGeneration + 1) >>> 0
    if (this.#active) this.#interrupt(INTERRUPT_CONFIG_CHANGE)
  }

  // --- what the machine sees ---

  get queueCount(): number {
    return this.#queues.length
  }

  notify(queueIndex: number): void {
    // Before DRIVER_OK the device consumes nothing (§3.1.1); an index that is none is a driver's nonsense.
    if (!this.#active || !this.#queues[queueIndex]?.ready) return
    this.#turns.add(queueIndex)
    this.#turns.run()
  }

  drain(): void {
    if (!this.#active) return
    this.#addAllQueues()
    this.#turns.runAll(this.#queues.reduce((sum, { maxSize }) => sum + maxSize, 64))
  }

  reset(): void {
    this.#active = false
    this.#turns.clear()
    for (const queue of this.#queues) queue.reset()
    this.#status = 0
    this.#interruptStatus = 0
    this.#deviceFeaturesSel = this.#driverFeaturesSel = this.#queueSel = 0
    this.#driverFeatures = 0n
    this.#device.reset()
  }

  read(offset: number, data: Uint8Array): void {
    data.fill(0)
    if (offset >= MMIO_CONFIG) this.#readConfig(offset - MMIO_CONFIG, data)
    else if (isRegisterAccess(offset, data.length)) this.#readRegister(offset, data)
    else this.#mistake(`read of ${data.length} bytes at register offset 0x${offset.toString(16)}`)
  }

  write(offset: number, data: Uint8Array): void {
    if (offset >= MMIO_CONFIG) this.#writeConfig(offset - MMIO_CONFIG, data)
    else if (isRegisterAccess(offset, data.length)) this.#writeRegister(offset, data)
    else this.#mistake(`write of ${data.length} bytes at register offset 0x${offset.toString(16)}`)
  }

  save(): TransportState {
    return {
      device: this.#device.name,
      status: this.#status,
      interruptStatus: this.#interruptStatus,
      configGeneration: this.#configGeneration,
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      driverFeatures: hex(this.#driverFeatures),
      queueSel: this.#queueSel,
      queues: this.#queues.map((queue) => queue.save()),
      deviceState: this.#device.save(),
    }
  }

  restore(state: TransportState): void {
    this.reset()
    try {
      this.#restore(new SavedFields(this.name, state))
    } catch (error) {
      this.reset()
      if (!(error instanceof DriverError)) throw error
      throw new HostError(`Cannot restore ${this.name}: ${error.message}.`, { cause: error })
    }
  }

  #restore(saved: SavedFields): void {
    const status = saved.integer('status', 0xff)
    this.#interruptStatus = saved.integer('interruptStatus', 3)
    this.#configGeneration = saved.integer('configGeneration', 0xffffffff)
    this.#deviceFeaturesSel = saved.integer('deviceFeaturesSel', 0xffffffff)
    this.#driverFeaturesSel = saved.integer('driverFeaturesSel', 0xffffffff)
    this.#driverFeatures = saved.u64('driverFeatures')
    this.#queueSel = saved.integer('queueSel', 0xffffffff)
    const queues = saved.array('queues', this.#queues.length, (queue) => queue)
    for (const [index, queue] of this.#queues.entries()) queue.restore(queues[index], this.#ringFeatures)
    this.#device.restore(saved.value('deviceState'))
    this.#status = status
    const running = STATUS.DRIVER_OK | STATUS.FEATURES_OK
    if ((status & (running | STATUS.DEVICE_NEEDS_RESET | STATUS.FAILED)) !== running) return
    this.#active = true
    this.#device.activate(this)
    // Chains may wait, or come again; not before the machine around is restored too.
    this.#addAllQueues()
    this.#turns.runLater()
  }

  // --- registers ---

  #wireRegisters(): (Register | undefined)[] {
    const queue = () => this.#queues[this.#queueSel]
    const low = (key: 'descriptors' | 'available' | 'used') => (value: number) =>
      this.#setUpQueue((setup) => {
        setup[key] = (setup[key] & ~0xffffffffn) | BigInt(value)
      })
    const high = (key: 'descriptors' | 'available' | 'used') => (value: number) =>
      this.#setUpQueue((setup) => {
        setup[key] = (setup[key] & 0xffffffffn) | (BigInt(value) << 32n)
      })
    const handlers: { [name in RegisterName]: Omit<Register, 'name'> } = {
      MagicValue: { read: () => MMIO_MAGIC },
      Version: { read: () => MMIO_VERSION },
      DeviceID: { read: () => this.#device.id },
      VendorID: { read: () => MMIO_VENDOR },
      DeviceFeatures: { read: () => half(this.#offered, this.#deviceFeaturesSel) },
      DeviceFeaturesSel: {
        write: (value) => {
          this.#deviceFeaturesSel = value
        },
      },
      DriverFeatures: { write: (value) => this.#writeDriverFeatures(value) },
      DriverFeaturesSel: {
        write: (value) => {
          this.#driverFeaturesSel = value
        },
      },
      QueueSel: {
        write: (value) => {
          this.#queueSel = value
        },
      },
      QueueNumMax: { read: () => queue()?.maxSize ?? 0 },
      QueueNum: {
        write: (value) =>
          this.#setUpQueue((setup) => {
            setup.size = value
          }),
      },
      QueueReady: { read: () => (queue()?.ready ? 1 : 0), write: (value) => this.#writeQueueReady(value) },
      QueueNotify: { write: (value) => this.#writeQueueNotify(value) },
      InterruptStatus: { read: () => this.#interruptStatus },
      InterruptACK: {
        write: (value) => {
          this.#interruptStatus &= ~value
        },
      },
      Status: { read: () => this.#status, write: (value) => this.#writeStatus(value) },
      QueueDescLow: { write: low('descriptors') },
      QueueDescHigh: { write: high('descriptors') },
      QueueDriverLow: { write: low('available') },
      QueueDriverHigh: { write: high('available') },
      QueueDeviceLow: { write: low('used') },
      QueueDeviceHigh: { write: high('used') },
      // No shared memory regions: their length reads as -1 (§4.2.2).
      SHMSel: { write: () => {} },
      SHMLenLow: { read: () => 0xffffffff },
      SHMLenHigh: { read: () => 0xffffffff },
      SHMBaseLow: { read: () => 0xffffffff },
      SHMBaseHigh: { read: () => 0xffffffff },
      ConfigGeneration: { read: () => this.#configGeneration },
    }
    const wired: (Register | undefined)[] = new Array(MMIO_CONFIG >> 2).fill(undefined)
    for (const { name, offset } of MMIO_REGISTERS) wired[offset >> 2] = { name, ...handlers[name] }
    return wired
  }

  #readRegister(offset: number, data: Uint8Array): void {
    const register = this.#registers[offset >> 2]
    if (register?.read) store32(data, register.read())
    else this.#mistake(`read of ${register?.name ?? 'no register'} at 0x${offset.toString(16)}`)
  }

  #writeRegister(offset: number, data: Uint8Array): void {
    const register = this.#registers[offset >> 2]
    if (register?.write) register.write(load32(data))
    else this.#mistake(`write to ${register?.name ?? 'no register'} at 0x${offset.toString(16)}`)
  }

  #readConfig(offset: number, data: Uint8Array): void {
    const { config } = this.#device
    if (offset < config.length) data.set(config.subarray(offset, offset + data.length))
  }

  #writeConfig(offset: number, data: Uint8Array): void {
    const inside = offset + data.length <= this.#device.config.length
    if (inside && this.#device.writeConfig) this.#guarded(() => this.#device.writeConfig?.(offset, data))
    else this.#mistake(`write of ${data.length} bytes at configuration offset 0x${offset.toString(16)}`)
  }

  #writeDriverFeatures(value: number): void {
    const word = this.#driverFeaturesSel
    if ((this.#status & ~STATUS.DEVICE_NEEDS_RESET) !== (STATUS.ACKNOWLEDGE | STATUS.DRIVER))
      this.#mistake(`features written at status 0x${this.#status.toString(16)}`)
    else if (word <= 1) {
      const shift = BigInt(word) * 32n
      this.#driverFeatures = (this.#driverFeatures & ~(0xffffffffn << shift)) | (BigInt(value) << shift)
    } else if (value !== 0) this.#mistake(`features 0x${value.toString(16)} in word ${word}`)
  }

  /** A queue can be set up from FEATURES_OK to DRIVER_OK, while it is not ready (§3.1.1, §4.2.2.2). */
  #setUpQueue(change: (setup: QueueSetup) => void): void {
    const queue = this.#queues[this.#queueSel]
    if (queue && this.#inQueueSetup && !queue.ready) change(queue.setup)
    else
      this.#mistake(`set-up of queue ${this.#queueSel}, which is ${queue ? 'ready or not to be set up now' : 'none'}`)
  }

  get #inQueueSetup(): boolean {
    return (this.#status & (STATUS.FEATURES_OK | STATUS.DRIVER_OK)) === STATUS.FEATURES_OK
  }

  get #ringFeatures(): { indirect: boolean; eventIdx: boolean } {
    return {
      indirect: (this.#driverFeatures & VIRTIO_F_INDIRECT_DESC) !== 0n,
      eventIdx: (this.#driverFeatures & VIRTIO_F_EVENT_IDX) !== 0n,
    }
  }

  #writeQueueReady(value: number): void {
    const queue = this.#queues[this.#queueSel]
    if (queue && (value & 1) === 0) queue.disable()
    else if (queue && this.#inQueueSetup && !queue.ready) this.#guarded(() => queue.enable(this.#ringFeatures))
    else
      this.#mistake(
        `QueueReady of queue ${this.#queueSel}, which is ${queue ? 'ready or not to be set up now' : 'none'}`,
      )
  }

  #writeQueueNotify(value: number): void {
    if (value < this.#queues.length) this.notify(value)
    else this.#mistake(`notification of queue ${value}`)
  }

  #writeStatus(value: number): void {
    const step = statusStep(this.#status, value)
    switch (step) {
      case 'reset':
        this.reset()
        break
      case 'same':
        break
      case 'acknowledge':
      case 'driver':
        this.#status |= value
        break
      case 'featuresOk':
        // Left unset, the bit tells the driver that the device cannot work with this choice (§3.1.1).
        if (this.#featuresFit) this.#status |= STATUS.FEATURES_OK
        else this.#mistake(`features ${hex(this.#driverFeatures)} of ${hex(this.#offered)} offered`)
        break
      case 'driverOk':
        this.#status |= STATUS.DRIVER_OK
        if ((this.#status & STATUS.DEVICE_NEEDS_RESET) === 0) this.#activate()
        break
      case 'failed':
        this.#status |= STATUS.FAILED
        this.#halt()
        break
      case 'illegal':
        this.#mistake(`status 0x${value.toString(16)} after 0x${this.#status.toString(16)}`)
    }
  }

  get #featuresFit(): boolean {
    return (this.#driverFeatures & ~this.#offered) === 0n && (this.#driverFeatures & VIRTIO_F_VERSION_1) !== 0n
  }

  // --- service ---

  #activate(): void {
    this.#active = true
    this.#guarded(() => this.#device.activate(this))
    // Buffers may have been made available already; their kick came too early to be heard.
    this.#addAllQueues()
    this.#turns.run()
  }

  #addAllQueues(): void {
    for (const queue of this.#queues) if (queue.ready) this.#turns.add(queue.index)
  }

  #serve(index: number): boolean {
    const queue = this.#queues[index]!
    if (!this.#active || !queue.ready) return false
    queue.beginTurn(TURN)
    this.#guarded(() => this.#device.onAvailable(index, queue))
    return queue.endTurn()
  }

  /** All used rings at once, so that a run costs the guest one interrupt. */
  #publish(): void {
    if (!this.#active) return
    let wanted = false
    for (const queue of this.#queues) if (queue.publish()) wanted = true
    if (wanted) this.#interrupt(INTERRUPT_USED_BUFFER)
  }

  /** Raised even when the bit is set already: an edge may have come while the guest had the line masked. */
  #interrupt(bit: number): void {
    this.#interruptStatus |= bit
    this.#raiseInterrupt()
  }

  /** Nothing a guest does is thrown past the transport: it ends in DEVICE_NEEDS_RESET (§2.1.2). */
  #guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      const fault = error instanceof DriverError ? 'driver mistake' : 'device failed'
      this.#needsReset(`${fault}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #needsReset(reason: string): void {
    this.#mistake(`${reason}; the device needs a reset`)
    // What was given back before the mistake still counts.
    this.#publish()
    this.#status |= STATUS.DEVICE_NEEDS_RESET
    this.#halt()
    if ((this.#status & STATUS.DRIVER_OK) !== 0) this.#interrupt(INTERRUPT_CONFIG_CHANGE)
  }

  #halt(): void {
    if (!this.#active) return
    this.#active = false
    this.#turns.clear()
    this.#device.halted?.()
  }

  #mistake(message: string): void {
    if (this.#logLines >= LOG_LINES) return
    this.#logLines++
    this.#log(`${this.name}: ${message}${this.#logLines === LOG_LINES ? ' (further mistakes are not logged)' : ''}`)
  }
}

/** Registers take aligned 32-bit accesses only (§4.2.2.2). */
const isRegisterAccess = (offset: number, length: number): boolean => length === 4 && offset % 4 === 0

const half = (features: bigint, word: number): number =>
  word > 1 ? 0 : Number((features >> BigInt(32 * word)) & 0xffffffffn)

const load32 = (data: Uint8Array): number => (data[0]! | (data[1]! << 8) | (data[2]! << 16) | (data[3]! << 24)) >>> 0

const store32 = (data: Uint8Array, value: number): void => {
  data[0] = value
  data[1] = value >>> 8
  data[2] = value >>> 16
  data[3] = value >>> 24
}
