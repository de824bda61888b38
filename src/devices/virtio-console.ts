/**
 * Console: any number of byte streams between driver and host, the first also usable without the control queues.
 * virtio 1.2 §5.3
 */
import { HostError } from '../errors.ts'
import { type Chain, gather, scatter } from '../virtio/chain.ts'
import { type DeviceHost, type DeviceQueue, type QueueSpec, VIRTIO_ID, type VirtioDevice } from '../virtio/device.ts'
import { DriverError } from '../virtio/driver-error.ts'
import { type Json, SavedFields } from '../virtio/saved-state.ts'
import { CONTROL_BYTES, decodeControl, encodeControl, VIRTIO_CONSOLE } from './virtio-console-control.ts'
import { ConsolePort, type ConsolePortOptions } from './virtio-console-port.ts'

export const VIRTIO_CONSOLE_F_SIZE = 1n << 0n
export const VIRTIO_CONSOLE_F_MULTIPORT = 1n << 1n
export const VIRTIO_CONSOLE_F_EMERG_WRITE = 1n << 2n

/** struct virtio_console_config: le16 cols, le16 rows, le32 max_nr_ports, le32 emerg_wr. §5.3.4 */
const CONFIG = { cols: 0, rows: 2, maxPorts: 4, emergencyWrite: 8, bytes: 12 } as const

const CONTROL_RECEIVEQ = 2
const CONTROL_TRANSMITQ = 3

export interface ConsoleSize {
  readonly cols: number
  readonly rows: number
}

export interface ConsoleOptions {
  /** Port 0 first. */
  readonly ports: readonly ConsolePortOptions[]
  /** Offers VIRTIO_CONSOLE_F_SIZE, with this size to begin with. */
  readonly size?: ConsoleSize
  /** Offers VIRTIO_CONSOLE_F_EMERG_WRITE: single characters for port 0 without any queue. */
  readonly emergencyWrite?: boolean
}

export interface VirtioConsole extends VirtioDevice {
  /** The terminal behind port 0 has another size now. */
  resize(size: ConsoleSize): void
  /** Resolves when all output that the driver made available has gone through the sinks. For a guest that has stopped. */
  flushed(): Promise<void>
}

export const virtioConsole = (options: ConsoleOptions): VirtioConsole => new Console(options)

class Console implements VirtioConsole {
  readonly id = VIRTIO_ID.console
  readonly name = 'console'
  readonly features: bigint
  readonly config = new Uint8Array(CONFIG.bytes)
  readonly queues: readonly QueueSpec[]
  readonly #ports: readonly ConsolePort[]
  #host: DeviceHost | undefined
  /** Messages for the driver that wait for buffers, by port and event: bounded, however often a driver asks. */
  readonly #outbox = new Map<string, Uint8Array>()
  #driverReady = false
  #flushWaiters: (() => void)[] = []

  constructor({ ports, size, emergencyWrite = false }: ConsoleOptions) {
    this.features =
      VIRTIO_CONSOLE_F_MULTIPORT |
      (size ? VIRTIO_CONSOLE_F_SIZE : 0n) |
      (emergencyWrite ? VIRTIO_CONSOLE_F_EMERG_WRITE : 0n)
    const view = new DataView(this.config.buffer)
    view.setUint16(CONFIG.cols, size?.cols ?? 0, true)
    view.setUint16(CONFIG.rows, size?.rows ?? 0, true)
    view.setUint32(CONFIG.maxPorts, ports.length, true)
    this.#ports = ports.map(
      (port, id) => new ConsolePort(port, (direction) => this.#host?.serve(queueOf(id, direction))),
    )
    this.queues = this.#ports.flatMap((_, id): QueueSpec[] => {
      const data = [`receiveq(port${id})`, `transmitq(port${id})`]
      const names = id === 0 ? [...data, 'control receiveq', 'control transmitq'] : data
      return names.map((name) => ({ name, maxSize: 64 }))
    })
  }

  activate(host: DeviceHost): void {
    this.#host = host
    // Without the control queues nobody opens port 0: it always is.
    if (!this.#multiport) this.#ports[0]!.open = true
  }

  onAvailable(index: number, queue: DeviceQueue): void {
    if (index >= CONTROL_RECEIVEQ && !this.#multiport) return
    if (index === CONTROL_RECEIVEQ) this.#sendControl(queue)
    else if (index === CONTROL_TRANSMITQ) this.#receiveControl(queue)
    else {
      const port = this.#ports[portOf(index)]!
      if (index % 2 === 0) port.receive(queue)
      else port.transmit(queue)
    }
    if (this.#flushWaiters.length > 0) this.#checkFlushed()
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    const offered = (this.features & VIRTIO_CONSOLE_F_EMERG_WRITE) !== 0n
    // Only the lower byte counts, and whether the sink takes it is as good as it gets (§5.3.5.1).
    if (offered && offset === CONFIG.emergencyWrite) this.#ports[0]?.emergency(bytes.subarray(0, 1))
  }

  resize({ cols, rows }: ConsoleSize): void {
    const view = new DataView(this.config.buffer)
    view.setUint16(CONFIG.cols, cols, true)
    view.setUint16(CONFIG.rows, rows, true)
    if (this.#multiport) {
      if (this.#driverReady) this.#postSize()
    } else if (((this.#host?.features ?? 0n) & VIRTIO_CONSOLE_F_SIZE) !== 0n) this.#host?.configChanged()
  }

  async flushed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#flushWaiters.push(resolve)
      this.#checkFlushed()
    })
    for (const port of this.#ports) await port.flushSink()
  }

  halted(): void {
    this.#host = undefined
    this.#checkFlushed()
  }

  reset(): void {
    this.#host = undefined
    this.#driverReady = false
    this.#outbox.clear()
    for (const port of this.#ports) port.reset()
    this.#checkFlushed()
  }

  save(): Json {
    return {
      driverReady: this.#driverReady,
      size: [...this.config.subarray(0, CONFIG.maxPorts)],
      ports: this.#ports.map((port) => port.save()),
      outbox: [...this.#outbox.values()].map((message) => ({ bytes: [...message] })),
    }
  }

  restore(state: Json): void {
    const saved = new SavedFields('virtio-console', state)
    this.reset()
    const ports = saved.array('ports', this.#ports.length, (port) => port)
    if (ports.length !== this.#ports.length)
      throw new HostError(
        `Cannot restore virtio-console: ${ports.length} ports were saved, ${this.#ports.length} are here.`,
      )
    this.#driverReady = saved.boolean('driverReady')
    for (const [id, port] of ports.entries()) this.#ports[id]!.restore(port)
    this.config.set(saved.integers('size', CONFIG.maxPorts, 0xff))
    saved.array('outbox', 8 * this.#ports.length, (message) => this.#restoreMessage(message))
  }

  #restoreMessage(saved: Json): void {
    const bytes = new SavedFields('a message of virtio-console', saved).integers('bytes', 4096, 0xff)
    if (bytes.length < CONTROL_BYTES)
      throw new HostError('Cannot restore virtio-console: a saved message is too short.')
    const message = Uint8Array.from(bytes)
    const { id, event } = decodeControl(message)
    this.#outbox.set(`${id} ${event}`, message)
  }

  get #multiport(): boolean {
    return ((this.#host?.features ?? 0n) & VIRTIO_CONSOLE_F_MULTIPORT) !== 0n
  }

  // --- control queues ---

  #sendControl(queue: DeviceQueue): void {
    for (const [key, message] of this.#outbox) {
      const chain = queue.next()
      if (!chain) return
      if (chain.writableBytes < CONTROL_BYTES) throw new DriverError('a control buffer too small for any message')
      chain.complete(scatter(chain.writable, message))
      this.#outbox.delete(key)
    }
  }

  #receiveControl(queue: DeviceQueue): void {
    for (let chain = queue.next(); chain; chain = queue.next()) {
      this.#handleControl(chain)
      chain.complete(0)
    }
  }

  #handleControl(chain: Chain): void {
    const bytes = new Uint8Array(CONTROL_BYTES)
    if (gather(chain.readable, bytes) < CONTROL_BYTES)
      throw new DriverError('a control message shorter than its header')
    const { id, event, value } = decodeControl(bytes)
    const port = this.#ports[id]
    if (event === VIRTIO_CONSOLE.DEVICE_READY) {
      if (value !== 1 || this.#driverReady) return
      this.#driverReady = true
      for (const portId of this.#ports.keys()) this.#post(portId, VIRTIO_CONSOLE.PORT_ADD, 1)
    } else if (!port) throw new DriverError(`a control message for port ${id} of ${this.#ports.length}`)
    else if (event === VIRTIO_CONSOLE.PORT_READY && value === 1) this.#introduce(id, port)
    else if (event === VIRTIO_CONSOLE.PORT_OPEN) {
      port.open = value === 1
      if (port.open) this.#host?.serve(queueOf(id, 'receive'))
    }
  }

  #introduce(id: number, port: ConsolePort): void {
    if (port.name !== undefined) this.#post(id, VIRTIO_CONSOLE.PORT_NAME, 1, new TextEncoder().encode(port.name))
    if (port.isConsole) this.#post(id, VIRTIO_CONSOLE.CONSOLE_PORT, 1)
    this.#post(id, VIRTIO_CONSOLE.PORT_OPEN, 1)
    if (id === 0 && (this.features & VIRTIO_CONSOLE_F_SIZE) !== 0n) this.#postSize()
  }

  /** struct virtio_console_resize: le16 cols, le16 rows, as in the configuration space. */
  #postSize(): void {
    this.#post(0, VIRTIO_CONSOLE.RESIZE, 0, this.config.slice(CONFIG.cols, CONFIG.maxPorts))
  }

  #post(id: number, event: number, value: number, payload?: Uint8Array): void {
    this.#outbox.set(`${id} ${event}`, encodeControl({ id, event, value }, payload))
    this.#host?.serve(CONTROL_RECEIVEQ)
  }

  #checkFlushed(): void {
    const host = this.#host
    // A driver without ports may set the other queues up all the same: nobody serves them.
    const served = this.#multiport ? this.#ports : this.#ports.slice(0, 1)
    // Without a host nothing more will be served: what is left stays unsent.
    if (host && served.some((port, id) => port.sending || host.queue(queueOf(id, 'transmit')).waiting > 0)) return
    for (const resolve of this.#flushWaiters.splice(0)) resolve()
  }
}

const queueOf = (port: number, direction: 'receive' | 'transmit'): number =>
  (port === 0 ? 0 : 2 * port + 2) + (direction === 'transmit' ? 1 : 0)

const portOf = (queue: number): number => (queue < 2 ? 0 : (queue >> 1) - 1)
