/**
 * The driver's side of a split virtqueue: what a guest kernel does with descriptors and rings, and, through the raw
 * setters, everything it must not do. virtio 1.2 §2.7.13, §2.7.14
 */
import type { Gpa, GuestMemory } from '../../src/memory/guest-memory.ts'
import { VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE } from '../../src/virtio/descriptors.ts'

export interface Buffer {
  readonly gpa: Gpa | bigint
  readonly length: number
  readonly write?: boolean
}

export interface Descriptor {
  readonly gpa: Gpa | bigint
  readonly length: number
  readonly flags?: number
  readonly next?: number
}

export interface UsedElement {
  readonly id: number
  readonly length: number
}

export class DriverQueue {
  readonly memory: GuestMemory
  readonly size: number
  readonly descriptors: Gpa
  readonly available: Gpa
  readonly used: Gpa
  #availableIndex = 0
  #seenUsed = 0
  #free: number[]
  readonly #chains = new Map<number, number[]>()

  /** Lays the three areas out from `base` on, each on a boundary of its own. */
  constructor(memory: GuestMemory, base: Gpa, size = 8) {
    this.memory = memory
    this.size = size
    this.descriptors = base
    this.available = base + 16 * size
    this.used = Math.ceil((this.available + 6 + 2 * size) / 4) * 4
    this.#free = Array.from({ length: size }, (_, index) => index)
  }

  /** First byte after the three areas. */
  get end(): Gpa {
    return this.used + 6 + 8 * this.size
  }

  // --- as a driver should ---

  /** Chains the buffers through free descriptors and makes them available. @returns the head. */
  post(...buffers: Buffer[]): number {
    const indexes = buffers.map(() => this.#take())
    for (const [i, { gpa, length, write }] of buffers.entries()) {
      const last = i === buffers.length - 1
      this.writeDescriptor(indexes[i]!, {
        gpa,
        length,
        flags: (write ? VIRTQ_DESC_F_WRITE : 0) | (last ? 0 : VIRTQ_DESC_F_NEXT),
        next: last ? 0 : indexes[i + 1]!,
      })
    }
    this.#chains.set(indexes[0]!, indexes)
    this.offer(indexes[0]!)
    return indexes[0]!
  }

  /** The same through an indirect table at `table`. */
  postIndirect(table: Gpa, ...buffers: Buffer[]): number {
    for (const [i, { gpa, length, write }] of buffers.entries()) {
      const last = i === buffers.length - 1
      this.writeTable(table, i, {
        gpa,
        length,
        flags: (write ? VIRTQ_DESC_F_WRITE : 0) | (last ? 0 : VIRTQ_DESC_F_NEXT),
        next: last ? 0 : i + 1,
      })
    }
    const head = this.#take()
    this.writeDescriptor(head, { gpa: table, length: 16 * buffers.length, flags: VIRTQ_DESC_F_INDIRECT })
    this.#chains.set(head, [head])
    this.offer(head)
    return head
  }

  /** Puts a head into the available ring and moves the index on. */
  offer(head: number): void {
    this.writeAvailableEntry(this.#availableIndex & (this.size - 1), head)
    this.#availableIndex = (this.#availableIndex + 1) & 0xffff
    this.memory.storeU16(this.available + 2, this.#availableIndex)
  }

  /** Used elements that came since the last call; their descriptors are free again. */
  takeUsed(): UsedElement[] {
    const elements: UsedElement[] = []
    const index = this.usedIndex
    while (this.#seenUsed !== index) {
      const at = this.used + 4 + 8 * (this.#seenUsed & (this.size - 1))
      const element = { id: this.memory.readU32(at), length: this.memory.readU32(at + 4) }
      elements.push(element)
      this.#free.push(...(this.#chains.get(element.id) ?? []))
      this.#chains.delete(element.id)
      this.#seenUsed = (this.#seenUsed + 1) & 0xffff
    }
    return elements
  }

  get usedIndex(): number {
    return this.memory.loadU16(this.used + 2)
  }

  /** From which available index on the device wants a kick (VIRTIO_F_EVENT_IDX). */
  get availableEvent(): number {
    return this.memory.readU16(this.used + 4 + 8 * this.size)
  }

  get availableIndex(): number {
    return this.#availableIndex
  }

  // --- as it likes ---

  writeDescriptor(index: number, descriptor: Descriptor): void {
    this.writeTable(this.descriptors, index, descriptor)
  }

  writeTable(table: Gpa, index: number, { gpa, length, flags = 0, next = 0 }: Descriptor): void {
    const at = table + 16 * index
    this.memory.writeU64(at, BigInt.asUintN(64, BigInt(gpa)))
    this.memory.writeU32(at + 8, length)
    this.memory.writeU16(at + 12, flags)
    this.memory.writeU16(at + 14, next)
  }

  writeAvailableFlags(flags: number): void {
    this.memory.writeU16(this.available, flags)
  }

  writeAvailableEntry(slot: number, head: number): void {
    this.memory.writeU16(this.available + 4 + 2 * slot, head)
  }

  writeAvailableIndex(index: number): void {
    this.#availableIndex = index & 0xffff
    this.memory.storeU16(this.available + 2, this.#availableIndex)
  }

  writeUsedEvent(index: number): void {
    this.memory.writeU16(this.available + 4 + 2 * this.size, index & 0xffff)
  }

  #take(): number {
    const index = this.#free.shift()
    if (index === undefined) throw new Error('the test posts more than the queue holds')
    return index
  }
}
