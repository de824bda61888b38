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
  fallocate(fd: number, mode: number, offset: number, length: number, done: FileDone): void
  /** Operations need not begin before this. */
  submit(): void
  /**
   * Returns when none is under way, the main loop standing meanwhile: for a guest that takes its memory back. Without it
   * there is no way but to let the loop go on.
   */
  drain?(): void
  /** When none is under way. */
  close(): void
}

export interface AsyncVector extends PackedVector {
  /** Bytes in all elements. */
  readonly length: number
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
