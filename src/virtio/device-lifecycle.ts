/**
 * A device between its driver and its host, whatever bus carries it: status, feature negotiation, queue set-up, service,
 * interrupts, configuration space and reset. The driver's mistakes end here. virtio 1.2 §2.1 to §2.5, §3.1
 */
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
import { INTERRUPT_CONFIG_CHANGE, INTERRUPT_USED_BUFFER, InterruptLine } from './interrupt-line.ts'
import { Lookout, type Watched } from './lookout.ts'
import { type Budget, VirtQueue } from './queue.ts'
import { type Clock, steadyClock } from './rate-limiter.ts'
import type { QueueSetup } from './ring-areas.ts'
import { hex, type JsonObject, type SavedFields } from './saved-state.ts'
import { STATUS, statusStep } from './status.ts'
import { Turns } from './turns.ts'

export interface LifecycleOptions {
  readonly device: VirtioDevice
  readonly memory: GuestMemory
  /** An edge on the device's interrupt line. */
  readonly raiseInterrupt: () => void
  /** Delivers the register writes that were kept back (DEFERRABLE_WRITES), this device's among them. */
  readonly settle?: () => void
  /** Told of drivers' mistakes, a bounded number of times. */
  readonly log?: (message: string) => void
  /** Runs a task in a later turn of the event loop; `setImmediate` unless said. */
  readonly defer?: (task: () => void) => void
  /** By which rates are kept. */
  readonly clock?: Clock
}

/** Told of changes that no access of the driver's brings about, before it hears of them by interrupt. */
export interface RegisterWatcher {
  interruptStatus(): void
  anything(): void
}

/** One call of a device's handler; the bytes are a millisecond or two of copying, or of the host's network. */
const TURN: Budget = { chains: 256, bytes: 2 * 2 ** 20 }
/** Log lines that one device may cause: a guest must not fill the host's disk. */
const LOG_LINES = 32

export class DeviceLifecycle implements DeviceHost {
  readonly name: string
  readonly device: VirtioDevice
  readonly queues: readonly VirtQueue[]
  /** Feature bits that a driver can choose from. */
  readonly offered: bigint
  readonly #line: InterruptLine
  readonly #settle: () => void
  readonly #watcher: RegisterWatcher | undefined
  readonly #log: (message: string) => void
  readonly #turns: Turns
  readonly #lookouts: readonly (Lookout | undefined)[]
  #logLines = 0

  #status = 0
  #features = 0n
  #configGeneration = 0
  /** DRIVER_OK and nothing went wrong since. */
  #active = false
  #draining = false

  constructor(options: LifecycleOptions, watcher?: RegisterWatcher) {
    const { device, memory, raiseInterrupt, settle = () => {}, log = () => {} } = options
    const { defer = setImmediate, clock = steadyClock } = options
    this.#watcher = watcher
    this.name = `virtio-${device.name}`
    this.device = device
    this.offered = device.features | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX
    this.#line = new InterruptLine({ raise: raiseInterrupt, settle, show: () => watcher?.interruptStatus() })
    this.#settle = settle
    this.#log = log
    const views = new GuestViews(memory)
    const owner = {
      used: () => {
        if (!this.#turns.running) this.#publish()
      },
      ready: (index: number) => this.notify(index),
      clock,
    }
    this.queues = device.queues.map((spec, index) => new VirtQueue(index, spec, views, owner))
    this.#lookouts = device.queues.map(({ look }) => (look ? new Lookout() : undefined))
    this.#turns = new Turns({
      serve: (index) => this.#serve(index),
      done: () => this.#publish(),
      defer: (task) => void defer(task),
    })
  }

  // --- what the device sees ---

  get features(): bigint {
    return this.#features
  }

  queue(index: number): VirtQueue {
    return this.queues[index]!
  }

  serve(queueIndex: number): void {
    this.notify(queueIndex)
  }

  configChanged(): void {
    this.nextConfigGeneration()
    // A driver that comes later reads what is there by then.
    if (!this.#active) return
    this.#watcher?.anything()
    this.#line.raise(INTERRUPT_CONFIG_CHANGE)
  }

  // --- what the driver sees, through the registers of its bus ---

  get status(): number {
    return this.#status
  }

  writeStatus(value: number): void {
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
        else this.mistake(`features ${hex(this.#features)} of ${hex(this.offered)} offered`)
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
        this.mistake(`status ${hex(value)} after ${hex(this.#status)}`)
    }
  }

  /** Chooses among features 32 * word to 32 * word + 31. */
  writeFeatures(word: number, value: number): void {
    if ((this.#status & ~STATUS.DEVICE_NEEDS_RESET) !== (STATUS.ACKNOWLEDGE | STATUS.DRIVER))
      this.mistake(`features written at status ${hex(this.#status)}`)
    else if (word <= 1) {
      const shift = BigInt(word) * 32n
      this.#features = (this.#features & ~(0xffffffffn << shift)) | (BigInt(value) << shift)
    } else if (value !== 0) this.mistake(`features ${hex(value)} in word ${word}`)
  }

  /** A queue can be set up from FEATURES_OK to DRIVER_OK, while it is not ready (§3.1.1, §4.2.2.2). */
  setUpQueue(index: number, change: (setup: QueueSetup) => void): void {
    const queue = this.queues[index]
    if (queue && this.#inQueueSetup && !queue.ready) change(queue.setup)
    else this.mistake(`set-up of queue ${index}, which is ${queue ? 'ready or not to be set up now' : 'none'}`)
  }

  setQueueReady(index: number, ready: boolean): void {
    const queue = this.queues[index]
    if (queue && !ready) {
      const was = queue.ready
      queue.disable()
      if (was) this.#guarded(() => this.device.queueDisabled?.(index))
    } else if (queue && this.#inQueueSetup && !queue.ready) this.#guarded(() => queue.enable(this.#ringFeatures))
    else this.mistake(`QueueReady of queue ${index}, which is ${queue ? 'ready or not to be set up now' : 'none'}`)
  }

  /** Before DRIVER_OK the device consumes nothing (§3.1.1). */
  notify(queueIndex: number): void {
    if (!this.#active || !this.queues[queueIndex]?.ready) return
    this.#turns.add(queueIndex)
    this.#turns.run()
    this.#lookouts[queueIndex]?.watch(this.#watched(queueIndex))
  }

  get interruptStatus(): number {
    return this.#line.status
  }

  acknowledge(bits: number): void {
    this.#line.acknowledge(bits)
  }

  get configGeneration(): number {
    return this.#configGeneration
  }

  /** A driver that is at reading the configuration space reads it again (§2.5.1). */
  nextConfigGeneration(): void {
    this.#configGeneration = (this.#configGeneration + 1) >>> 0
  }

  /** What lies past the end reads 0. */
  readConfig(offset: number, data: Uint8Array): void {
    const { config } = this.device
    data.fill(0)
    if (offset < config.length) data.set(config.subarray(offset, offset + data.length))
  }

  writeConfig(offset: number, data: Uint8Array): void {
    const inside = offset + data.length <= this.device.config.length
    if (inside && this.device.writeConfig) this.#guarded(() => this.device.writeConfig?.(offset, data))
    else this.mistake(`write of ${data.length} bytes at configuration offset ${hex(offset)}`)
  }

  /** The driver did what it must not; the device goes on. */
  mistake(message: string): void {
    if (this.#logLines >= LOG_LINES) return
    this.#logLines++
    this.#log(`${this.name}: ${message}${this.#logLines === LOG_LINES ? ' (further mistakes are not logged)' : ''}`)
  }

  // --- what the machine sees ---

  hold(): void {
    this.#turns.hold()
  }

  release(): void {
    this.#turns.release()
  }

  drain(): void {
    this.release()
    if (!this.#active) return
    this.#addAllQueues()
    this.#draining = true
    this.#turns.runAll(this.queues.reduce((sum, { maxSize }) => sum + maxSize, 64))
    this.#draining = false
  }

  reset(): void {
    this.#active = false
    this.#turns.clear()
    for (const queue of this.queues) queue.reset()
    this.#status = 0
    this.#line.set(0)
    this.#features = 0n
    this.device.reset()
  }

  save(): JsonObject {
    this.#settle()
    return {
      device: this.device.name,
      status: this.#status,
      interruptStatus: this.#line.status,
      configGeneration: this.#configGeneration,
      driverFeatures: hex(this.#features),
      queues: this.queues.map((queue) => queue.save()),
      deviceState: this.device.save(),
    }
  }

  /** @throws HostError, and is then as after a reset. */
  restore(saved: SavedFields): void {
    this.reset()
    try {
      this.#restore(saved)
      this.#line.repeat()
    } catch (error) {
      this.reset()
      if (!(error instanceof DriverError)) throw error
      throw new HostError(`Cannot restore ${this.name}: ${error.message}.`, { cause: error })
    }
  }

  #restore(saved: SavedFields): void {
    const device = saved.value('device')
    if (device !== this.device.name) throw new HostError(`Cannot restore ${this.name}: this is the state of ${device}.`)
    const status = saved.integer('status', 0xff)
    this.#line.set(saved.integer('interruptStatus', INTERRUPT_USED_BUFFER | INTERRUPT_CONFIG_CHANGE))
    this.#configGeneration = saved.integer('configGeneration', 0xffffffff)
    // What the driver was at reading may be otherwise here.
    this.nextConfigGeneration()
    this.#features = saved.u64('driverFeatures')
    // What was never offered here would be asked of a backend that does not have it.
    if ((status & STATUS.FEATURES_OK) !== 0 && !this.#featuresFit) {
      throw new HostError(
        `Cannot restore ${this.name}: its driver uses features ${hex(this.#features)} of ${hex(this.offered)} offered.`,
        { hint: 'Restore it where its disks and networks can do what they could.' },
      )
    }
    const queues = saved.array('queues', this.queues.length, (queue) => queue)
    for (const [index, queue] of this.queues.entries()) queue.restore(queues[index], this.#ringFeatures)
    this.device.restore(saved.value('deviceState'))
    this.#status = status
    const running = STATUS.DRIVER_OK | STATUS.FEATURES_OK
    if ((status & (running | STATUS.DEVICE_NEEDS_RESET | STATUS.FAILED)) !== running) return
    this.#active = true
    this.device.activate(this)
    // Chains may wait, or come again; not before the machine around is restored too.
    this.#addAllQueues()
    this.#turns.runLater()
  }

  // --- inside ---

  get #featuresFit(): boolean {
    return (this.#features & ~this.offered) === 0n && (this.#features & VIRTIO_F_VERSION_1) !== 0n
  }

  get #inQueueSetup(): boolean {
    return (this.#status & (STATUS.FEATURES_OK | STATUS.DRIVER_OK)) === STATUS.FEATURES_OK
  }

  get #ringFeatures(): { indirect: boolean; eventIdx: boolean } {
    return {
      indirect: (this.#features & VIRTIO_F_INDIRECT_DESC) !== 0n,
      eventIdx: (this.#features & VIRTIO_F_EVENT_IDX) !== 0n,
    }
  }

  #activate(): void {
    this.#active = true
    this.#guarded(() => this.device.activate(this))
    // Buffers may have been made available already; their kick came too early to be heard.
    this.#addAllQueues()
    this.#turns.run()
  }

  #addAllQueues(): void {
    for (const queue of this.queues) if (queue.ready) this.#turns.add(queue.index)
  }

  #serve(index: number): boolean {
    const queue = this.queues[index]!
    if (!this.#active || !queue.ready) return false
    // A guest that has ended does not wait for its rate.
    queue.beginTurn(TURN, !this.#draining)
    this.#guarded(() => this.device.onAvailable(index, queue))
    return queue.endTurn()
  }

  #watched(index: number): Watched {
    const queue = this.queues[index]!
    return {
      // What is under way is answered by a turn of the event loop, and so is what has to wait for one.
      begin: () => this.#active && queue.inFlight === 0 && queue.waiting === 0 && queue.holdKicks(),
      arrived: () => queue.waiting > 0,
      end: () => queue.wantKicks(),
      serve: () => {
        this.#turns.add(index)
        this.#turns.run()
      },
    }
  }

  /** All used rings at once, so that a run costs the guest one interrupt. */
  #publish(): void {
    if (!this.#active) return
    let wanted = false
    for (const queue of this.queues) if (queue.publish()) wanted = true
    if (wanted) this.#line.raise(INTERRUPT_USED_BUFFER)
  }

  /** Nothing a guest does is thrown past here: it ends in DEVICE_NEEDS_RESET (§2.1.2). */
  #guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      const fault = error instanceof DriverError ? 'driver mistake' : 'device failed'
      this.#needsReset(`${fault}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #needsReset(reason: string): void {
    this.mistake(`${reason}; the device needs a reset`)
    // What was given back before the mistake still counts.
    this.#publish()
    this.#status |= STATUS.DEVICE_NEEDS_RESET
    this.#halt()
    this.#watcher?.anything()
    if ((this.#status & STATUS.DRIVER_OK) !== 0) this.#line.raise(INTERRUPT_CONFIG_CHANGE)
  }

  #halt(): void {
    if (!this.#active) return
    this.#active = false
    this.#turns.clear()
    this.device.halted?.()
  }
}
