/**
 * io_uring(7): requests written into a ring, handed to the kernel a batch at a time, answers read from another ring.
 * What needs no waiting is answered before `submit` returns; for the rest the kernel signals an eventfd. No thread of
 * ours waits for anything.
 */
import {
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
import { cFunction, close, mmap, munmap, retrying, viewMemory } from './ffi.ts'
import { ioUringCqe, ioUringSqe } from './structs/io-uring.ts'

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
  #tail = 0
  #unsubmitted = 0

  /** @throws SyscallError: ENOSYS, or EPERM where the host forbids it (kernel.io_uring_disabled, seccomp). */
  constructor(entries: number, eventfd: number) {
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

  /** Waits for an answer; only while a request is under way. */
  wait(): void {
    this.submit()
    retrying(() => cSyscall()(SYS_io_uring_enter, this.#fd, 0, 1, IORING_ENTER_GETEVENTS, 0, 0), 'io_uring_enter')
  }

  /** Hands over what was pushed. @throws SyscallError when the kernel takes nothing. */
  submit(): void {
    if (this.#unsubmitted === 0) return
    // The requests are written before the tail says so.
    Atomics.store(this.#ring, this.#sq.tail, this.#tail)
    while (this.#unsubmitted > 0) {
      this.#unsubmitted -= retrying(
        () => cSyscall()(SYS_io_uring_enter, this.#fd, this.#unsubmitted, 0, 0, 0, 0),
        'io_uring_enter',
      )
    }
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

  #map(size: number, offset: number): ArrayBuffer {
    const address = mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, this.#fd, offset)
    this.#mapped.push({ address, size })
    return viewMemory(address, size)
  }
}
