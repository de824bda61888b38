/** A disk that is a file or block device of the host, byte for byte. */
import {
  ECANCELED,
  EINVAL,
  EOPNOTSUPP,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from '../../../kvm-bindings/constants.ts'
import { errnoOf } from './async-files.ts'
import type { Disk, DiskDone } from './disk.ts'
import type { FileIo } from './file-io.ts'

const PUNCH_HOLE = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
const ZERO_RANGE = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE
const ZEROS = new Uint8Array(256 * 1024)

export interface RawDiskOptions {
  readonly io: FileIo
  readonly bytes: number
  readonly readOnly: boolean
  readonly id: string
  /** Releases what was opened for it. */
  readonly release: () => void
}

export const createRawDisk = (options: RawDiskOptions): Disk => new RawDisk(options)

class RawDisk implements Disk {
  readonly bytes: number
  readonly readOnly: boolean
  readonly id: string
  readonly #io: FileIo
  readonly #release: () => void
  #drains = 0

  constructor({ io, bytes, readOnly, id, release }: RawDiskOptions) {
    this.#io = io
    this.bytes = bytes
    this.readOnly = readOnly
    this.id = id
    this.#release = release
  }

  read(offset: number, segments: readonly Uint8Array[], skip: number, length: number, done: DiskDone): void {
    if (this.#inside(offset, length)) this.#io.read(offset, segments, skip, length, done)
    else done(EINVAL)
  }

  write(offset: number, segments: readonly Uint8Array[], skip: number, length: number, done: DiskDone): void {
    if (this.#inside(offset, length) && !this.readOnly) this.#io.write(offset, segments, skip, length, done)
    else done(EINVAL)
  }

  flush(done: DiskDone): void {
    if (this.readOnly) done(0)
    else this.#io.flush(done)
  }

  discard(offset: number, length: number, done: DiskDone): void {
    // A hint: where the host cannot take space back, nothing is lost.
    this.#fallocate(PUNCH_HOLE, offset, length, done, () => done(0))
  }

  writeZeroes(offset: number, length: number, mayUnmap: boolean, done: DiskDone): void {
    const byHand = () => this.#writeZerosByHand(offset, length, done)
    this.#fallocate(mayUnmap ? PUNCH_HOLE : ZERO_RANGE, offset, length, done, byHand)
  }

  submit(): void {
    this.#io.files.submit()
  }

  drain(): void {
    this.#drains++
    this.#io.files.drain(this.#io.fd)
  }

  close(): void {
    this.#release()
  }

  #fallocate(mode: number, offset: number, length: number, done: DiskDone, otherwise: () => void): void {
    if (!this.#inside(offset, length) || this.readOnly) done(EINVAL)
    else
      this.#io.files.fallocate(this.#io.fd, mode, offset, length, (result) => {
        // Block devices refuse with EINVAL what is no multiple of their own sectors, of 4 KiB perhaps.
        if (result === -EOPNOTSUPP || result === -EINVAL) otherwise()
        else done(errnoOf(result))
      })
  }

  /** For file systems that know no holes. A step at a time, so that the main loop goes on in between. */
  #writeZerosByHand(offset: number, length: number, done: DiskDone): void {
    const part = Math.min(length, ZEROS.length)
    const drains = this.#drains
    this.#io.writeLater(offset, [ZEROS], 0, part, (errno) => {
      if (errno !== 0 || part === length) done(errno)
      else if (drains !== this.#drains) done(ECANCELED)
      else this.#writeZerosByHand(offset + part, length - part, done)
    })
  }

  #inside(offset: number, length: number): boolean {
    return offset >= 0 && length >= 0 && offset <= this.bytes && length <= this.bytes - offset
  }
}
