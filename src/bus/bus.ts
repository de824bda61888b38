/**
 * An address range to handler map, for memory-mapped and for port I/O alike.
 *
 * A device sees offsets into its own range and never its address: placing it is the machine's business.
 */
import { BugError } from '../errors.ts'

/** What a device on a bus answers. `data.length` is the access size in bytes: 1, 2, 4 or 8. */
export interface BusDevice {
  readonly name: string
  /** Fills `data`, little-endian. */
  read(offset: number, data: Uint8Array): void
  write(offset: number, data: Uint8Array): void
}

export interface BusRange {
  readonly base: number
  readonly size: number
  readonly device: BusDevice
}

export class Bus {
  readonly #ranges: BusRange[] = []

  /** @throws BugError when the range overlaps one already taken: the device table is wrong. */
  add(base: number, size: number, device: BusDevice): void {
    const clash = this.#ranges.find((range) => base < range.base + range.size && range.base < base + size)
    if (clash)
      throw new BugError(`Cannot place ${device.name} at 0x${base.toString(16)}: ${clash.device.name} is there.`)
    this.#ranges.push({ base, size, device })
    this.#ranges.sort((a, b) => a.base - b.base)
  }

  get ranges(): readonly BusRange[] {
    return this.#ranges
  }

  /** The range that holds all of `[address, address + length)`, if one does. */
  find(address: number, length: number): BusRange | undefined {
    return this.#ranges.find((range) => address >= range.base && address + length <= range.base + range.size)
  }

  /** Nobody home reads as all ones, as on an ISA or PCI bus. @returns whether a device answered. */
  read(address: number, data: Uint8Array): boolean {
    const range = this.find(address, data.length)
    if (range) range.device.read(address - range.base, data)
    else data.fill(0xff)
    return range !== undefined
  }

  /** Nobody home drops the write. @returns whether a device answered. */
  write(address: number, data: Uint8Array): boolean {
    const range = this.find(address, data.length)
    range?.device.write(address - range.base, data)
    return range !== undefined
  }
}
