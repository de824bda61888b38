/** One port of a virtio-console: moves bytes between its two queues and the host's streams, as fast as both sides can. */
import type { ByteSink, ByteSource } from '../backends/streams.ts'
import type { Chain } from '../virtio/chain.ts'
import type { DeviceQueue } from '../virtio/device.ts'
import { type Json, SavedFields } from '../virtio/saved-state.ts'

export interface ConsolePortOptions {
  /** Tag under which the guest finds the port. */
  readonly name?: string
  /** The guest may use it as a text console. */
  readonly isConsole: boolean
  /** Output of the guest; without one it is thrown away. */
  readonly sink?: ByteSink
  /** Input for the guest. Nothing is read before the driver opened the port and offered buffers. */
  readonly source?: ByteSource
}

export class ConsolePort {
  readonly name: string | undefined
  readonly isConsole: boolean
  /** The driver has it open: input may flow. */
  open = false
  readonly #sink: ByteSink | undefined
  readonly #source: ByteSource | undefined
  /** An empty buffer of the driver, waiting for input. */
  #receiving: Chain | undefined
  /** Output that the sink did not take in full, and how much of it was taken. */
  #transmitting: Chain | undefined
  #transmitted = 0

  constructor(options: ConsolePortOptions, serve: (direction: 'receive' | 'transmit') => void) {
    this.name = options.name
    this.isConsole = options.isConsole
    this.#sink = options.sink
    this.#source = options.source
    this.#sink?.onDrain(() => serve('transmit'))
    this.#source?.onReadable(() => serve('receive'))
  }

  /** Output waits for the sink. */
  get sending(): boolean {
    return this.#transmitting !== undefined && !this.#transmitting.stale
  }

  receive(queue: DeviceQueue): void {
    if (!this.open || !this.#source) return
    for (;;) {
      const chain = usable(this.#receiving) ?? queue.next()
      this.#receiving = chain
      if (!chain) return
      const count = fill(chain.writable, this.#source)
      if (count === 0 && chain.writableBytes > 0) return
      this.#receiving = undefined
      chain.complete(count)
    }
  }

  transmit(queue: DeviceQueue): void {
    if (this.#transmitting?.stale) this.#transmitted = 0
    for (;;) {
      const chain = usable(this.#transmitting) ?? queue.next()
      this.#transmitting = chain
      if (!chain) return
      this.#transmitted += this.#write(chain, this.#transmitted)
      if (this.#transmitted < chain.readableBytes) return
      this.#transmitted = 0
      this.#transmitting = undefined
      chain.complete(0)
    }
  }

  /** Resolves when the sink, too, has passed everything on. */
  async flushSink(): Promise<void> {
    await this.#sink?.flush?.()
  }

  emergency(byte: Uint8Array): void {
    this.#sink?.write(byte)
  }

  reset(): void {
    this.open = false
    this.#receiving = undefined
    this.#transmitting = undefined
    this.#transmitted = 0
  }

  save(): Json {
    return { open: this.open, transmitted: this.#transmitted }
  }

  /** The chain half sent comes first after a restore, so that what was sent of it can be skipped. */
  restore(state: Json): void {
    const saved = new SavedFields('a port of virtio-console', state)
    this.open = saved.boolean('open')
    this.#transmitted = saved.integer('transmitted', 0xffffffff)
  }

  /** Offers the chain's bytes from `offset` on. @returns how many were taken. */
  #write(chain: Chain, offset: number): number {
    if (!this.#sink) return chain.readableBytes - offset
    let skip = offset
    let done = 0
    for (const segment of chain.readable) {
      if (skip >= segment.length) {
        skip -= segment.length
        continue
      }
      const part = skip === 0 ? segment : segment.subarray(skip)
      skip = 0
      const taken = this.#sink.write(part)
      done += taken
      if (taken < part.length) break
    }
    return done
  }
}

const usable = (chain: Chain | undefined): Chain | undefined => (chain?.stale ? undefined : chain)

/** As much as the source has now. */
const fill = (segments: readonly Uint8Array[], source: ByteSource): number => {
  let done = 0
  for (const segment of segments) {
    const count = source.read(segment)
    done += count
    if (count < segment.length) break
  }
  return done
}
