/**
 * virtio over memory-mapped registers, version 2: turns accesses to the window of one device into steps of its life.
 * virtio 1.2 §4.2
 */
import type { BusDevice } from '../bus/bus.ts'
import { DeviceLifecycle, type LifecycleOptions } from './device-lifecycle.ts'
import { RegisterPage } from './register-page.ts'
import { MMIO_CONFIG, MMIO_MAGIC, MMIO_REGISTERS, MMIO_VENDOR, MMIO_VERSION, type RegisterName } from './registers.ts'
import type { QueueSetup } from './ring-areas.ts'
import { hex, type JsonObject, SavedFields } from './saved-state.ts'

export interface MmioTransportOptions extends LifecycleOptions {
  /** Where the guest reads the registers without an access that gets here; see register-page.ts. */
  readonly page?: Uint8Array
}
export type TransportState = JsonObject

/** A BusDevice of MMIO_WINDOW_BYTES. */
export interface MmioTransport extends BusDevice {
  readonly queueCount: number
  /** A kick of one queue, by ioeventfd or by the QueueNotify register. */
  notify(queueIndex: number): void
  /** While the guest stands still: the device takes no more chains, whoever asks it to, until `release`. */
  hold(): void
  release(): void
  /** Handles now whatever is available on all queues. For a guest that has stopped; output a sink refused stays. */
  drain(): void
  /** As if the driver had written 0 to Status. Guest memory is not touched afterwards until a driver comes again. */
  reset(): void
  /** Only while the guest does not run. */
  save(): TransportState
  /** Into a fresh transport of the same device over the restored memory. @throws HostError when the state is not fit. */
  restore(state: TransportState): void
}

export const createMmioTransport = (options: MmioTransportOptions): MmioTransport => new Transport(options)

interface Register {
  readonly name: RegisterName
  readonly read?: () => number
  readonly write?: (value: number) => void
}

/** What a write of a register changes in what others read; Status may change everything, those not here nothing. */
const CHANGED_BY: { readonly [name in RegisterName]?: readonly RegisterName[] } = {
  DeviceFeaturesSel: ['DeviceFeatures'],
  QueueSel: ['QueueNumMax', 'QueueReady'],
  QueueReady: ['QueueReady'],
  InterruptACK: ['InterruptStatus'],
}

class Transport implements MmioTransport {
  readonly name: string
  readonly #life: DeviceLifecycle
  /** By offset / 4. */
  readonly #registers: readonly (Register | undefined)[]
  #deviceFeaturesSel = 0
  #driverFeaturesSel = 0
  #queueSel = 0

  readonly #page: RegisterPage | undefined

  constructor(options: MmioTransportOptions) {
    const { device, page } = options
    this.#life = new DeviceLifecycle(options, {
      interruptStatus: () => this.#page?.showRegister('InterruptStatus'),
      anything: () => this.#page?.show(),
    })
    this.name = this.#life.name
    this.#registers = this.#wireRegisters()
    this.#page = page && new RegisterPage(page, this.#registers, device.config, () => this.#life.nextConfigGeneration())
  }

  get queueCount(): number {
    return this.#life.queues.length
  }

  notify(queueIndex: number): void {
    this.#life.notify(queueIndex)
  }

  hold(): void {
    this.#life.hold()
  }

  release(): void {
    this.#life.release()
  }

  drain(): void {
    this.#life.drain()
  }

  reset(): void {
    this.#deviceFeaturesSel = this.#driverFeaturesSel = this.#queueSel = 0
    this.#life.reset()
    this.#page?.show()
  }

  read(offset: number, data: Uint8Array): void {
    if (offset >= MMIO_CONFIG) this.#life.readConfig(offset - MMIO_CONFIG, data)
    else store32(data, this.#register('read', offset, data)?.read?.() ?? 0)
  }

  write(offset: number, data: Uint8Array): void {
    if (offset >= MMIO_CONFIG) {
      this.#life.writeConfig(offset - MMIO_CONFIG, data)
      this.#page?.show()
      return
    }
    const register = this.#register('write', offset, data)
    if (register === undefined) return
    register.write?.(load32(data))
    if (register.name === 'Status') this.#page?.show()
    else for (const name of CHANGED_BY[register.name] ?? []) this.#page?.showRegister(name)
  }

  save(): TransportState {
    return {
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      queueSel: this.#queueSel,
      ...this.#life.save(),
    }
  }

  restore(state: TransportState): void {
    const saved = new SavedFields(this.name, state)
    this.#life.restore(saved)
    this.#deviceFeaturesSel = saved.integer('deviceFeaturesSel', 0xffffffff)
    this.#driverFeaturesSel = saved.integer('driverFeaturesSel', 0xffffffff)
    this.#queueSel = saved.integer('queueSel', 0xffffffff)
    this.#page?.show()
  }

  /** The register at `offset`, if it can be accessed so: 32 bits, aligned (§4.2.2.2), and in this direction. */
  #register(verb: 'read' | 'write', offset: number, { length }: Uint8Array): Register | undefined {
    const register = length === 4 && offset % 4 === 0 ? this.#registers[offset >> 2] : undefined
    if (register?.[verb]) return register
    this.#life.mistake(`${verb} of ${length} bytes at ${hex(offset)} (${register?.name ?? 'no register'})`)
    return undefined
  }

  #wireRegisters(): (Register | undefined)[] {
    const life = this.#life
    const queue = () => life.queues[this.#queueSel]
    const setUp = (change: (setup: QueueSetup, value: number) => void) => (value: number) =>
      life.setUpQueue(this.#queueSel, (setup) => change(setup, value))
    const low = (area: 'descriptors' | 'available' | 'used') => ({
      write: setUp((setup, value) => {
        setup[area] = (setup[area] & ~0xffffffffn) | BigInt(value)
      }),
    })
    const high = (area: 'descriptors' | 'available' | 'used') => ({
      write: setUp((setup, value) => {
        setup[area] = (setup[area] & 0xffffffffn) | (BigInt(value) << 32n)
      }),
    })
    /** No shared memory regions: length and address read as -1 (§4.2.2). */
    const none = { read: () => 0xffffffff }

    const handlers: { [name in RegisterName]: Omit<Register, 'name'> } = {
      MagicValue: { read: () => MMIO_MAGIC },
      Version: { read: () => MMIO_VERSION },
      DeviceID: { read: () => life.device.id },
      VendorID: { read: () => MMIO_VENDOR },
      DeviceFeatures: { read: () => featureWord(life.offered, this.#deviceFeaturesSel) },
      DeviceFeaturesSel: {
        write: (value) => {
          this.#deviceFeaturesSel = value
        },
      },
      DriverFeatures: { write: (value) => life.writeFeatures(this.#driverFeaturesSel, value) },
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
        write: setUp((setup, value) => {
          setup.size = value
        }),
      },
      QueueReady: {
        read: () => (queue()?.ready ? 1 : 0),
        write: (value) => life.setQueueReady(this.#queueSel, (value & 1) === 1),
      },
      QueueNotify: { write: (value) => this.#writeQueueNotify(value) },
      InterruptStatus: { read: () => life.interruptStatus },
      InterruptACK: { write: (value) => life.acknowledge(value) },
      Status: { read: () => life.status, write: (value) => (value === 0 ? this.reset() : life.writeStatus(value)) },
      QueueDescLow: low('descriptors'),
      QueueDescHigh: high('descriptors'),
      QueueDriverLow: low('available'),
      QueueDriverHigh: high('available'),
      QueueDeviceLow: low('used'),
      QueueDeviceHigh: high('used'),
      SHMSel: { write: () => {} },
      SHMLenLow: none,
      SHMLenHigh: none,
      SHMBaseLow: none,
      SHMBaseHigh: none,
      ConfigGeneration: { read: () => life.configGeneration },
    }
    const wired: (Register | undefined)[] = new Array(MMIO_CONFIG / 4).fill(undefined)
    for (const { name, offset } of MMIO_REGISTERS) wired[offset >> 2] = { name, ...handlers[name] }
    return wired
  }

  #writeQueueNotify(value: number): void {
    if (value < this.queueCount) this.#life.notify(value)
    else this.#life.mistake(`notification of queue ${value}`)
  }
}

const featureWord = (features: bigint, word: number): number =>
  word > 1 ? 0 : Number((features >> BigInt(32 * word)) & 0xffffffffn)

const load32 = (data: Uint8Array): number => (data[0]! | (data[1]! << 8) | (data[2]! << 16) | (data[3]! << 24)) >>> 0

/** Bytes past the fourth become 0. */
const store32 = (data: Uint8Array, value: number): void => {
  for (let i = 0; i < data.length; i++) data[i] = i < 4 ? value >>> (8 * i) : 0
}
