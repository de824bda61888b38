/** AsyncFiles by io_uring: no thread of ours, any number at once, answers through an eventfd of the reactor. */
import { ECANCELED, EFD_NONBLOCK, EINTR, IORING_FSYNC_DATASYNC } from '../../../kvm-bindings/constants.ts'
import { close, eventfd } from '../../../kvm-bindings/ffi.ts'
import { IORING_OP, IOSQE_ASYNC, IoUring, type RingEnter, type Submission } from '../../../kvm-bindings/io-uring.ts'
import { BugError } from '../../errors.ts'
import type { Reactor } from '../reactor.ts'
import type { AsyncFiles, AsyncVector, FileDone } from './async-files.ts'

/** As many as one disk's queue can hold; what goes beyond waits here. */
const ENTRIES = 256
/** Larger transfers that need no waiting are copied by a kernel thread all the same, not while the main loop stands. */
const INLINE_BYTES = 4 * 2 ** 20

/** A kernel short of memory is asked so often at once, and then every so many milliseconds. */
const ATTEMPTS = 8
const LATER_MS = 1

type Request = Omit<Submission, 'token'>

/** @throws SyscallError where the host forbids it, RangeError where it is too old */
export const createRingFiles = (reactor: Reactor, enter?: RingEnter): AsyncFiles => new RingFiles(reactor, enter)

class RingFiles implements AsyncFiles {
  readonly kind = 'io_uring'
  readonly threads = 0
  readonly #reactor: Reactor
  readonly #eventfd = eventfd(0, EFD_NONBLOCK)
  readonly #ring: IoUring
  /** By token. */
  readonly #underWay: ({ request: Request; done: FileDone } | undefined)[]
  readonly #freeTokens: number[]
  readonly #waiting: { request: Request; done: FileDone }[] = []
  #turning = false
  #later: NodeJS.Timeout | undefined
  #closed = false

  constructor(reactor: Reactor, enter?: RingEnter) {
    this.#reactor = reactor
    let ring: IoUring | undefined
    try {
      ring = new IoUring(ENTRIES, this.#eventfd, enter)
      reactor.watchEventfd(this.#eventfd, () => this.submit())
    } catch (error) {
      ring?.close()
      close(this.#eventfd)
      throw error
    }
    this.#ring = ring
    this.#underWay = new Array(this.#ring.entries)
    this.#freeTokens = Array.from({ length: this.#ring.entries }, (_, token) => token)
  }

  preadv(fd: number, vector: AsyncVector, offset: number, done: FileDone): void {
    this.#add(transfer(IORING_OP.READV, fd, vector, offset), done)
  }

  pwritev(fd: number, vector: AsyncVector, offset: number, done: FileDone): void {
    this.#add(transfer(IORING_OP.WRITEV, fd, vector, offset), done)
  }

  fdatasync(fd: number, done: FileDone): void {
    this.#add({ opcode: IORING_OP.FSYNC, fd, offset: 0, address: 0, length: 0, flags: IORING_FSYNC_DATASYNC }, done)
  }

  fsync(fd: number, done: FileDone): void {
    this.#add({ opcode: IORING_OP.FSYNC, fd, offset: 0, address: 0, length: 0 }, done)
  }

  fallocate(fd: number, mode: number, offset: number, length: number, done: FileDone): void {
    // The operation has the length where others have their address, and the mode where they have their length.
    this.#add({ opcode: IORING_OP.FALLOCATE, fd, offset, address: length, length: mode }, done)
  }

  /** Hands everything over and hears what is answered already; answers may lead to further requests. */
  submit(): void {
    // The rings are not there any more after `close`.
    if (this.#turning || this.#closed) return
    this.#turning = true
    try {
      for (let left = ATTEMPTS; left > 0; ) {
        const taken = this.#ring.submit()
        const answers = this.#ring.reap((token, result) => this.#answered(token, result))
        if (taken && answers === 0) return
        // With every answer there is more room.
        if (answers === 0) left--
      }
    } finally {
      this.#turning = false
    }
    this.#later ??= setTimeout(() => {
      this.#later = undefined
      this.submit()
    }, LATER_MS)
  }

  drain(fd: number): void {
    this.submit()
    while (this.#worksOn(fd)) {
      // With nothing in the kernel's hands there is no end to wait for, and it has refused the rest often enough.
      if (!this.#ring.wait()) this.#cancel(fd)
      this.submit()
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#later)
    this.#reactor.unwatch(this.#eventfd)
    this.#ring.close()
    close(this.#eventfd)
  }

  /** Of what the kernel has not taken, this descriptor's requests end here; the others are put back. */
  #cancel(fd: number): void {
    const refused = this.#ring.takeBack().map((token) => this.#free(token))
    const all = [...refused, ...this.#waiting.splice(0)]
    for (const { request, done } of all) if (request.fd !== fd) this.#add(request, done)
    for (const { request, done } of all) if (request.fd === fd) done(-ECANCELED)
  }

  #worksOn(fd: number): boolean {
    return [...this.#underWay, ...this.#waiting].some((one) => one?.request.fd === fd)
  }

  #add(request: Request, done: FileDone): void {
    if (this.#closed) throw new BugError('Cannot use a file of a disk: its VM is gone.')
    const token = this.#freeTokens.pop()
    if (token === undefined) {
      this.#waiting.push({ request, done })
      return
    }
    this.#underWay[token] = { request, done }
    this.#ring.push({ ...request, token })
  }

  #free(token: number): { request: Request; done: FileDone } {
    const one = this.#underWay[token]!
    this.#underWay[token] = undefined
    this.#freeTokens.push(token)
    return one
  }

  #answered(token: number, result: number): void {
    const { request, done } = this.#free(token)
    const next = this.#waiting.shift()
    if (next) this.#add(next.request, next.done)
    if (result === -EINTR) this.#add(request, done)
    else done(result)
  }
}

const transfer = (opcode: number, fd: number, { address, count, length }: AsyncVector, offset: number): Request => ({
  opcode,
  fd,
  offset,
  address,
  length: count,
  ...(length > INLINE_BYTES ? { sqeFlags: IOSQE_ASYNC } : {}),
})
