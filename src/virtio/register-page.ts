/**
 * A page that the guest reads in place of a device's registers, so that a read does not leave the guest: whoever carries
 * the accesses maps it read-only where the window is, and still gets the writes. It shows every readable register and
 * the configuration space as they are between two writes. virtio 1.2 §4.2.2
 */
import { MMIO_CONFIG, MMIO_OFFSET, MMIO_WINDOW_BYTES, type RegisterName } from './registers.ts'

/** A register as the transport has it. */
interface Register {
  readonly name: RegisterName
  readonly read?: () => number
}

export class RegisterPage {
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  readonly #reads = new Map<RegisterName, () => number>()
  readonly #config: Uint8Array
  readonly #nextGeneration: () => void

  /**
   * @param page MMIO_WINDOW_BYTES, aligned; all of it is overwritten
   * @param config live
   * @param nextGeneration makes ConfigGeneration read another number
   */
  constructor(
    page: Uint8Array,
    registers: readonly (Register | undefined)[],
    config: Uint8Array,
    nextGeneration: () => void,
  ) {
    this.#bytes = page.subarray(0, MMIO_WINDOW_BYTES)
    this.#words = new Uint32Array(page.buffer, page.byteOffset, MMIO_CONFIG / 4)
    for (const register of registers) if (register?.read) this.#reads.set(register.name, register.read)
    this.#nextGeneration = nextGeneration
    this.#config = config.subarray(0, MMIO_WINDOW_BYTES - MMIO_CONFIG)
    this.#bytes.fill(0)
    this.show()
  }

  /** After anything may have changed. */
  show(): void {
    for (const name of this.#reads.keys()) this.showRegister(name)
    if (!this.#configDiffers()) return
    // A driver that reads meanwhile sees another generation before or after, and reads again (§2.5.1). One that reads
    // everything between these lines may get a mixture: it hears of the change when the interrupt comes.
    this.#showNextGeneration()
    this.#bytes.set(this.#config, MMIO_CONFIG)
    this.#showNextGeneration()
  }

  /** After this register alone may have changed: seen by the guest before whatever the host does next. */
  showRegister(name: RegisterName): void {
    const read = this.#reads.get(name)
    if (read) Atomics.store(this.#words, MMIO_OFFSET[name] >> 2, read())
  }

  #configDiffers(): boolean {
    for (let at = 0; at < this.#config.length; at++) if (this.#bytes[MMIO_CONFIG + at] !== this.#config[at]) return true
    return false
  }

  #showNextGeneration(): void {
    this.#nextGeneration()
    this.showRegister('ConfigGeneration')
  }
}
