/**
 * io_uring(7): requests written into a ring, handed to the kernel a batch at a time, answers read from another ring.
 * What needs no waiting is answered before `submit` returns; for the rest the kernel signals an eventfd. No thread of
 * ours waits for anything.
 */
import {
  EAGAIN,
  EBUSY,
  EINTR,
  IORING_ENTER_GETEVENTS,
  IORING_FEAT_SINGLE_MMAP,
  IORING_FEAT_SUBMIT_STABLE,
  IORING_OFF_SQ_RING,
  IORING_OFF_SQES,
  MAP_POPULATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
  SYS_io_uring_enter,
  SYS_io_uring_register,
  SYS_io_uring_setup,
} from './constants.ts'
import { cFunction, close, lastErrno, mmap, munmap, retrying, viewMemory } from './ffi.ts'
import { ioUringCqe, ioUringSqe } from './structs/io-uring.ts'
import { SyscallError } from './syscall-error.ts'

/** The operations used here, by their names without IORING_OP_. */
export const IORING_OP = { NOP: 0, READV: 1, WRITEV: 2, FSYNC: 3, FALLOCATE: 17 } as const

/** Leave it to a kernel thread at once, without trying whether it can be done on the spot. */
export const IOSQE_ASYNC = 1 << 4
/** io_uring_register(2). Like the operations it is of an enum, which the oracle test cannot ask for. */
const IORING_REGISTER_EVENTFD = 4
/** Both rings in one mapping (Linux 5.4), and what a request names is read before `submit` returns (5.5). */
const NEEDED = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_SUBMIT_STABLE

/** struct io_uring_params as words; its last fields changed their names between kernels. io_uring_setup(2) */
const PARAMS = {
  words: 30,
  sqEntries: 0,
  cqEntries: 1,
  features: 5,
  sqOff: { tail: 11, array: 16 },
  cqOff: { head: 20, tail: 21, cqes: 25 },
} as const

const cSyscall = cFunction('syscall', 'long', ['long', 'long', 'long', 'long', 'long', 'uintptr', 'long'])
const cSetup = cFunction('syscall', 'long', ['long', 'long', 'void *'])
const cRegister = cFunction('syscall', 'long', ['long', 'long', 'long', 'void *', 'long'])

/** io_uring_enter(2), one attempt: what it gives, or minus errno. */
export type RingEnter = (fd: number, toSubmit: number, minComplete: number, flags: number) => number

export const enterRing: RingEnter = (fd, toSubmit, minComplete, flags) => {
  const result = cSyscall()(SYS_io_uring_enter, fd, toSubmit, minComplete, flags, 0, 0)
  return result >= 0 ? result : -lastErrno()
}

/** One request: what each number means depends on the operation. io_uring_enter(2) */
export interface Submission {
  readonly opcode: number
  readonly fd: number
  readonly offset: number
  readonly address: number
  readonly length: number
  /** Of the operation: `rw_flags`, `fsync_flags`, ... */
  readonly flags?: number
  /** IOSQE_ bits. */
  readonly sqeFlags?: number
  /** Comes back with the answer; an unsigned 32-bit number. */
  readonly token: number
}

const WORD = 2 ** 32
const SQE_WORDS = ioUringSqe.size / 4
const CQE_WORDS = ioUringCqe.size / 4
const at = ioUringSqe.offsetOf

export class IoUring {
  /** Requests that can be in flight at once: a ring never has to drop an answer. */
  readonly entries: number
  readonly #fd: number
  readonly #mapped: { readonly address: bigint; readonly size: number }[] = []
  /** The shared ring memory as words, and where its parts begin. */
  readonly #ring: Uint32Array
  readonly #answers: Int32Array
  readonly #sqes: Uint32Array
  readonly #sq: { readonly tail: number; readonly array: number; readonly mask: number }
  readonly #cq: { readonly head: number; readonly tail: number; readonly cqes: number; readonly mask: number }
  readonly #enter: RingEnter
  #tail = 0
  #unsubmitted = 0
  /** In the kernel's hands. */
  #inFlight = 0

  /** @throws SyscallError: ENOSYS, or EPERM where the host forbids it (kernel.io_uring_disabled, seccomp). */
  constructor(entries: number, eventfd: number, enter: RingEnter = enterRing) {
    this.#enter = enter
    const params = new Uint32Array(PARAMS.words)
    const word = (at: number): number => params[at]!
    this.#fd = retrying(() => cSetup()(SYS_io_uring_setup, entries, params), 'io_uring_setup')
    try {
      if ((word(PARAMS.features) & NEEDED) !== NEEDED) throw new RangeError('this io_uring is older than Linux 5.5')
      const { sqOff, cqOff } = PARAMS
      const [requests, answers] = [word(PARAMS.sqEntries), word(PARAMS.cqEntries)]
      this.entries = requests
      const ringBytes = Math.max(word(sqOff.array) + 4 * requests, word(cqOff.cqes) + ioUringCqe.size * answers)
      const ring = this.#map(ringBytes, IORING_OFF_SQ_RING)
      this.#ring = new Uint32Array(ring, 0, ringBytes / 4)
      this.#answers = new Int32Array(ring, 0, ringBytes / 4)
      this.#sqes = new Uint32Array(this.#map(ioUringSqe.size * requests, IORING_OFF_SQES))
      this.#sq = { tail: word(sqOff.tail) / 4, array: word(sqOff.array) / 4, mask: requests - 1 }
      this.#cq = {
        head: word(cqOff.head) / 4,
        tail: word(cqOff.tail) / 4,
        cqes: word(cqOff.cqes) / 4,
        mask: answers - 1,
      }
      retrying(
        () => cRegister()(SYS_io_uring_register, this.#fd, IORING_REGISTER_EVENTFD, new Int32Array([eventfd]), 1),
        'io_uring_register',
      )
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Writes a request into the ring. At most `entries` before the next `submit`. */
  push({ opcode, fd, offset, address, length, flags = 0, sqeFlags = 0, token }: Submission): void {
    const slot = this.#tail & this.#sq.mask
    const sqes = this.#sqes
    const base = slot * SQE_WORDS
    sqes.fill(0, base, base + SQE_WORDS)
    // opcode and flags are the first two bytes.
    sqes[base] = opcode | (sqeFlags << 8)
    sqes[base + at.fd / 4] = fd
    sqes[base + at.off / 4] = offset
    sqes[base + at.off / 4 + 1] = Math.floor(offset / WORD)
    sqes[base + at.addr / 4] = address
    sqes[base + at.addr / 4 + 1] = Math.floor(address / WORD)
    sqes[base + at.len / 4] = length
    sqes[base + at.rw_flags / 4] = flags
    sqes[base + at.user_data / 4] = token
    this.#ring[this.#sq.array + slot] = slot
    this.#tail = (this.#tail + 1) >>> 0
    this.#unsubmitted++
  }

  /** Waits for an answer of those that the kernel has taken. @returns false when it has none to give */
  wait(): boolean {
    if (this.#inFlight === 0) return false
    this.#entered(0, 1, IORING_ENTER_GETEVENTS)
    return true
  }

  /**
   * Hands over what was pushed.
   * @returns false when the kernel takes no more just now, for want of memory or of room for answers: reap, and try again
   */
  submit(): boolean {
    if (this.#unsubmitted === 0) return true
    // The requests are written before the tail says so.
    Atomics.store(this.#ring, this.#sq.tail, this.#tail)
    while (this.#unsubmitted > 0) {
      const taken = this.#entered(this.#unsubmitted, 0, 0)
      if (taken === 0) return false
      this.#unsubmitted -= taken
      this.#inFlight += taken
    }
    return true
  }

  /** Takes back what the kernel would not take; without a polling thread it looks at the tail only when entered. */
  takeBack(): number[] {
    const tokens: number[] = []
    for (; this.#unsubmitted > 0; this.#unsubmitted--) {
      this.#tail = (this.#tail - 1) >>> 0
      tokens.push(this.#sqes[(this.#tail & this.#sq.mask) * SQE_WORDS + at.user_data / 4]!)
    }
    Atomics.store(this.#ring, this.#sq.tail, this.#tail)
    return tokens.reverse()
  }

  /** Calls back for every answer there is: a result, or minus errno. @returns how many there were. */
  reap(done: (token: number, result: number) => void): number {
    const { head, tail, cqes, mask } = this.#cq
    let count = 0
    for (let at = this.#ring[head]!; at !== Atomics.load(this.#ring, tail); at = (at + 1) >>> 0) {
      const cqe = cqes + (at & mask) * CQE_WORDS
      const token = this.#ring[cqe]!
      const result = this.#answers[cqe + 2]!
      // Read before the slot is free again.
      Atomics.store(this.#ring, head, (at + 1) >>> 0)
      this.#inFlight--
      done(token, result)
      count++
    }
    return count
  }

  /** Requests still in flight go on: wait for their answers first. */
  close(): void {
    for (const { address, size } of this.#mapped.splice(0)) munmap(address, size)
    close(this.#fd)
  }

  /** @returns how many requests were taken: none when the kernel cannot now */
  #entered(toSubmit: number, minComplete: number, flags: number): number {
    for (;;) {
      const result = this.#enter(this.#fd, toSubmit, minComplete, flags)
      if (result >= 0) return result
      if (result === -EAGAIN || result === -EBUSY) return 0
      if (result !== -EINTR) throw new SyscallError('io_uring_enter', -result)
    }
  }

  #map(size: number, offset: number): ArrayBuffer {
    const address = mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, this.#fd, offset)
    this.#mapped.push({ address, size })
    return viewMemory(address, size)
  }
}
