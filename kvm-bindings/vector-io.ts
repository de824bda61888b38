/**
 * readv(2) and its kin, straight between a descriptor and memory that the caller keeps mapped.
 * A call gives the bytes moved, or minus errno: EAGAIN and short counts are answers here. EINTR is retried.
 */
import { EINTR } from './constants.ts'
import { cFunction, lastErrno } from './ffi.ts'

/** A packed `struct iovec[]`. It and what it names stay where they are until the call has returned. */
export interface PackedVector {
  /** Where the array lies in this process. */
  readonly address: number
  /** Elements, at most IOV_MAX. */
  readonly count: number
}

/** Linux refuses vectors of more elements (UIO_MAXIOV). */
export const IOV_MAX = 1024

const cReadv = cFunction('readv', 'int64', ['int', 'uintptr', 'int'])
const cWritev = cFunction('writev', 'int64', ['int', 'uintptr', 'int'])
const cPreadv = cFunction('preadv', 'int64', ['int', 'uintptr', 'int', 'int64'])
const cPwritev = cFunction('pwritev', 'int64', ['int', 'uintptr', 'int', 'int64'])
const cPreadv2 = cFunction('preadv2', 'int64', ['int', 'uintptr', 'int', 'int64', 'int'])
const cPwritev2 = cFunction('pwritev2', 'int64', ['int', 'uintptr', 'int', 'int64', 'int'])

export const readv = (fd: number, { address, count }: PackedVector): number =>
  answer(() => cReadv()(fd, address, count))

export const writev = (fd: number, { address, count }: PackedVector): number =>
  answer(() => cWritev()(fd, address, count))

export const preadv = (fd: number, { address, count }: PackedVector, offset: number): number =>
  answer(() => cPreadv()(fd, address, count, offset))

export const pwritev = (fd: number, { address, count }: PackedVector, offset: number): number =>
  answer(() => cPwritev()(fd, address, count, offset))

export const preadv2 = (fd: number, { address, count }: PackedVector, offset: number, flags: number): number =>
  answer(() => cPreadv2()(fd, address, count, offset, flags))

export const pwritev2 = (fd: number, { address, count }: PackedVector, offset: number, flags: number): number =>
  answer(() => cPwritev2()(fd, address, count, offset, flags))

/**
 * The same on a thread of libuv's pool; `done` runs on the event loop. Descriptor and memory stay until then, and the
 * vector is not packed anew. Interrupted calls are answers too: minus EINTR.
 */
export const preadvAsync = (fd: number, vector: PackedVector, offset: number, done: (result: number) => void): void =>
  cPreadv().async(fd, vector.address, vector.count, offset, whenDone(vector, done))

export const pwritevAsync = (fd: number, vector: PackedVector, offset: number, done: (result: number) => void): void =>
  cPwritev().async(fd, vector.address, vector.count, offset, whenDone(vector, done))

/** Keeps vectors of calls in flight reachable: nothing else need remember them while the kernel reads there. */
const inFlight = new Set<PackedVector>()

function whenDone(vector: PackedVector, done: (result: number) => void) {
  inFlight.add(vector)
  return (_: unknown, result: number) => {
    const answer = result < 0 ? -lastErrno() : result
    inFlight.delete(vector)
    done(answer)
  }
}

function answer(call: () => number): number {
  for (;;) {
    const result = call()
    if (result >= 0) return result
    const errno = lastErrno()
    if (errno !== EINTR) return -errno
  }
}
