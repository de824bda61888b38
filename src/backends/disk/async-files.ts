/**
 * File operations that may have to wait for the host, none of which waits here: the main loop goes on and hears of the
 * end. Through io_uring where the host allows it, else on a thread of libuv's pool.
 */
import type { PackedVector } from '../../../kvm-bindings/vector-io.ts'
import type { Reactor } from '../reactor.ts'
import { createPoolFiles } from './pool-files.ts'
import { createRingFiles } from './ring-files.ts'

/** What the call gave, or minus errno. */
export type FileDone = (result: number) => void

export interface AsyncFiles {
  readonly kind: 'io_uring' | 'thread pool'
  /** Threads of libuv's pool that it may occupy at once. */
  readonly threads: number
  preadv(fd: number, vector: AsyncVector, offset: number, done: FileDone): void
  pwritev(fd: number, vector: AsyncVector, offset: number, done: FileDone): void
  fdatasync(fd: number, done: FileDone): void
  /** The times of a file and the names in a directory too. */
  fsync(fd: number, done: FileDone): void
  fallocate(fd: number, mode: number, offset: number, length: number, done: FileDone): void
  /** Operations need not begin before this. */
  submit(): void
  /**
   * For a guest that takes its memory back: from its return on, no operation on this descriptor writes into the memory it
   * was given. io_uring waits for their ends, the main loop standing meanwhile; the pool lets go of them, and they end
   * with ECANCELED, some of them later, as do those that a kernel out of memory does not take.
   */
  drain(fd: number): void
  /** When none is under way. */
  close(): void
}

export interface AsyncVector extends PackedVector {
  /** Bytes in all elements. */
  readonly length: number
  /** Copies into the memory that the elements name, from its beginning. */
  fill(bytes: Uint8Array): void
}

/** 0 for any success. */
export const errnoOf = (result: number): number => (result < 0 ? -result : 0)

export function openAsyncFiles(reactor: Reactor): AsyncFiles {
  try {
    return createRingFiles(reactor)
  } catch {
    // kernel.io_uring_disabled, a seccomp filter, an old kernel: all the same to the disks.
    return createPoolFiles()
  }
}
