/**
 * Moves data between a file and memory: on the spot when the host can do so from its page cache, else later without
 * anybody waiting. bench/disk-engine.ts has the figures: a hop to another thread costs twenty such reads.
 */
import { EAGAIN, ECANCELED, EIO, EOPNOTSUPP, RWF_NOWAIT } from '../../../kvm-bindings/constants.ts'
import { preadv2, pwritev } from '../../../kvm-bindings/vector-io.ts'
import { IoVector } from '../../memory/io-vector.ts'
import { Patience } from '../patience.ts'
import { type AsyncFiles, errnoOf, type FileDone } from './async-files.ts'
import type { DiskDone } from './disk.ts'
import { oneAtATime } from './one-at-a-time.ts'

/** Larger transfers never keep the main loop: some milliseconds of copying. */
const QUICK_BYTES = 4 * 2 ** 20

export interface FileIoOptions {
  readonly fd: number
  readonly files: AsyncFiles
  /** Milliseconds; `performance.now` unless said. */
  readonly clock?: () => number
}

export class FileIo {
  readonly fd: number
  readonly files: AsyncFiles
  /**
   * The errno of the flush that failed, for good: the kernel tells of lost pages once and counts them as clean from then
   * on, so that the next fdatasync would promise what is not there. fsync(2)
   */
  flushFault = 0
  /** A write into the page cache takes microseconds, unless the host makes writers wait for its disks. */
  readonly #patience: Patience
  /** For calls that have ended when they return. */
  readonly #quick = new IoVector()
  readonly #idle: IoVector[] = []
  #canAskNotToWait = true

  constructor({ fd, files, clock }: FileIoOptions) {
    this.fd = fd
    this.files = files
    this.#patience = new Patience(clock)
  }

  read(offset: number, segments: readonly Uint8Array[], skip: number, length: number, done: DiskDone): void {
    const quick = this.#canAskNotToWait && length <= QUICK_BYTES
    this.#move({ offset, segments, skip, length, done }, quick ? this.#readNow : undefined, this.#laterRead)
  }

  write(offset: number, segments: readonly Uint8Array[], skip: number, length: number, done: DiskDone): void {
    const quick = length <= QUICK_BYTES && this.#patience.left
    this.#move({ offset, segments, skip, length, done }, quick ? this.#writeNow : undefined, this.#laterWrite)
  }

  /** Never on the spot: for work that nobody needs to have done soon. */
  writeLater(offset: number, segments: readonly Uint8Array[], skip: number, length: number, done: DiskDone): void {
    this.#move({ offset, segments, skip, length, done }, undefined, this.#laterWrite)
  }

  /** In a row, or of two at once the second would not hear of the fault that the first was told. */
  readonly flush = oneAtATime((done: DiskDone): void => {
    if (this.flushFault !== 0) done(this.flushFault)
    else
      this.files.fdatasync(this.fd, (result) => {
        if (result < 0 && result !== -ECANCELED) this.flushFault = -result
        done(errnoOf(result))
      })
  })

  readonly #readNow = (vector: IoVector, at: number): number => {
    const result = preadv2(this.fd, vector, at, RWF_NOWAIT)
    if (result !== -EOPNOTSUPP) return result
    this.#canAskNotToWait = false
    return -EAGAIN
  }

  readonly #writeNow = (vector: IoVector, at: number): number =>
    this.#patience.measure(() => pwritev(this.fd, vector, at))

  readonly #laterRead = (vector: IoVector, at: number, end: FileDone): void =>
    this.files.preadv(this.fd, vector, at, end)

  readonly #laterWrite = (vector: IoVector, at: number, end: FileDone): void =>
    this.files.pwritev(this.fd, vector, at, end)

  /** Both ways may do part of the work only; the second goes on where the first had to wait. */
  #move(
    { offset, segments, skip, length, done }: Transfer,
    now: ((vector: IoVector, at: number) => number) | undefined,
    later: (vector: IoVector, at: number, end: FileDone) => void,
  ): void {
    let moved = 0
    let result = 1
    while (now && moved < length && result > 0) {
      this.#quick.pack(segments, skip + moved, length - moved)
      result = now(this.#quick, offset + moved)
      moved += Math.max(result, 0)
    }
    if (moved === length || (result <= 0 && result !== -EAGAIN)) {
      done(moved === length ? 0 : whyNothing(result))
      return
    }

    const vector = this.#idle.pop() ?? new IoVector()
    const end = (errno: number) => {
      this.#idle.push(vector)
      done(errno)
    }
    const goOn = (): void => {
      vector.pack(segments, skip + moved, length - moved)
      later(vector, offset + moved, (result) => {
        moved += Math.max(result, 0)
        if (moved === length) end(0)
        else if (result > 0) goOn()
        else end(whyNothing(result))
      })
    }
    goOn()
  }
}

interface Transfer {
  readonly offset: number
  readonly segments: readonly Uint8Array[]
  readonly skip: number
  readonly length: number
  readonly done: DiskDone
}

/** Nothing moved: the file ends before the disk does. */
const whyNothing = (result: number): number => (result === 0 ? EIO : errnoOf(result))
