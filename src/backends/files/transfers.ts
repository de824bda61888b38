/**
 * Data between files and guest memory, straight: on the spot where the page cache has it, else later without anybody
 * waiting (bench/disk-engine.ts has the figures). Reads end at the end of the file. A call gives the bytes moved, or minus errno.
 */
import { EAGAIN, EOPNOTSUPP, RWF_NOWAIT } from '../../../kvm-bindings/constants.ts'
import { preadv2, pwritev } from '../../../kvm-bindings/vector-io.ts'
import { IoVector } from '../../memory/io-vector.ts'
import type { AsyncFiles, FileDone } from '../disk/async-files.ts'
import { Patience } from '../patience.ts'

export interface Transfer {
  readonly fd: number
  readonly offset: number
  readonly segments: readonly Uint8Array[]
  /** Bytes of the segments in front of the data. */
  readonly skip: number
  readonly length: number
}

type Now = (vector: IoVector, at: number) => number
type Later = (vector: IoVector, at: number, done: FileDone) => void

export class Transfers {
  readonly #files: AsyncFiles
  readonly #patience: Patience
  readonly #quick = new IoVector()
  /** How many requests work on each descriptor. */
  readonly #underWay = new Map<number, number>()
  #canAskNotToWait = true

  constructor(files: AsyncFiles, clock?: () => number) {
    this.#files = files
    this.#patience = new Patience(clock)
  }

  read(transfer: Transfer, done: FileDone): void {
    const { fd } = transfer
    const later: Later = (vector, at, end) => this.#files.preadv(fd, vector, at, end)
    this.#move(transfer, this.#canAskNotToWait ? (vector, at) => this.#readNow(fd, vector, at) : undefined, later, done)
  }

  /** @param stable the file is open so that each write waits for the disk */
  write(transfer: Transfer, stable: boolean, done: FileDone): void {
    const { fd } = transfer
    const now: Now = (vector, at) => this.#patience.measure(() => pwritev(fd, vector, at))
    const later: Later = (vector, at, end) => this.#files.pwritev(fd, vector, at, end)
    this.#move(transfer, !stable && this.#patience.left ? now : undefined, later, done)
  }

  sync(fd: number, dataOnly: boolean, done: FileDone): void {
    const end = this.#begin(fd, done)
    if (dataOnly) this.#files.fdatasync(fd, end)
    else this.#files.fsync(fd, end)
  }

  submit(): void {
    this.#files.submit()
  }

  /** From its return on no request under way writes into memory that it was given. */
  drain(): void {
    for (const fd of [...this.#underWay.keys()]) this.#files.drain(fd)
  }

  #readNow(fd: number, vector: IoVector, at: number): number {
    const result = preadv2(fd, vector, at, RWF_NOWAIT)
    if (result !== -EOPNOTSUPP) return result
    this.#canAskNotToWait = false
    return -EAGAIN
  }

  /** Both ways may do part of the work only; the second goes on where the first had to wait. */
  #move({ fd, offset, segments, skip, length }: Transfer, now: Now | undefined, later: Later, done: FileDone): void {
    let moved = 0
    let result = 1
    while (now && moved < length && result > 0) {
      this.#quick.pack(segments, skip + moved, length - moved)
      result = now(this.#quick, offset + moved)
      moved += Math.max(result, 0)
    }
    // What was moved before something went wrong is an answer; the next request hears of the rest.
    const total = () => (moved > 0 || result > 0 ? moved : result)
    if (moved === length || (now && result !== -EAGAIN)) {
      done(total())
      return
    }
    const vector = new IoVector()
    const end = this.#begin(fd, done)
    const goOn = (): void => {
      vector.pack(segments, skip + moved, length - moved)
      later(vector, offset + moved, (answer) => {
        result = answer
        moved += Math.max(answer, 0)
        if (moved < length && answer > 0) goOn()
        else end(total())
      })
      this.#files.submit()
    }
    goOn()
  }

  #begin(fd: number, done: FileDone): FileDone {
    this.#underWay.set(fd, (this.#underWay.get(fd) ?? 0) + 1)
    return (result) => {
      const left = this.#underWay.get(fd)! - 1
      if (left > 0) this.#underWay.set(fd, left)
      else this.#underWay.delete(fd)
      done(result)
    }
  }
}
