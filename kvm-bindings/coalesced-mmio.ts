/**
 * The ring of writes that KVM kept back, in the order the guest made them. Draining it before an exit is answered
 * puts them where they belong: before whatever the guest did next.
 */
import { coalescedMmio, coalescedMmioRing } from './structs/coalesced-mmio.ts'

const PAGE_SIZE = 4096
const ENTRIES = Math.floor((PAGE_SIZE - coalescedMmioRing.size) / coalescedMmio.size)
const FIRST_32 = coalescedMmioRing.offsetOf.first / 4
const LAST_32 = coalescedMmioRing.offsetOf.last / 4
const DATA_MAX = 8

export class CoalescedMmioRing {
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  #draining = false

  /** @param page part of a vCPU's kvm_run mapping, as far into it as KVM_CAP_COALESCED_MMIO says; dies with it. */
  constructor(page: Uint8Array) {
    this.#bytes = page
    this.#words = new Uint32Array(page.buffer, page.byteOffset, PAGE_SIZE / 4)
  }

  /**
   * Hands over each write that is there now and frees its place. What the guest adds meanwhile comes before a later
   * exit or kick, or a guest that never stops writing would keep the caller here. The data are a live view: valid
   * during the call. Draining again from within `handle` does nothing: the rest follows in order.
   */
  drain(handle: (gpa: number, data: Uint8Array) => void): void {
    if (this.#draining) return
    this.#draining = true
    try {
      this.#drain(handle)
    } finally {
      this.#draining = false
    }
  }

  #drain(handle: (gpa: number, data: Uint8Array) => void): void {
    // The kernel fills an entry before it moves `last`.
    const last = Atomics.load(this.#words, LAST_32)
    let first = this.#words[FIRST_32]!
    while (first !== last) {
      const entry = coalescedMmioRing.size + (first % ENTRIES) * coalescedMmio.size
      const low = this.#words[(entry + coalescedMmio.offsetOf.phys_addr) / 4]!
      const high = this.#words[(entry + coalescedMmio.offsetOf.phys_addr) / 4 + 1]!
      const length = Math.min(this.#words[(entry + coalescedMmio.offsetOf.len) / 4]!, DATA_MAX)
      const data = entry + coalescedMmio.offsetOf.data
      handle(high * 0x1_0000_0000 + low, this.#bytes.subarray(data, data + length))
      first = (first + 1) % ENTRIES
      Atomics.store(this.#words, FIRST_32, first)
    }
  }
}
