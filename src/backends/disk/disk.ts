/** What stands behind a virtio-blk device: so many bytes that can be read and written at any offset. */

/** 0, or the errno of the host. May be called before the call that was given it returns. */
export type DiskDone = (errno: number) => void

/**
 * Offsets and lengths are multiples of 512 and lie inside the disk: the device has seen to that, and a disk refuses the
 * rest with EINVAL. Segments stay as they are until `done`. Requests end in any order.
 */
export interface Disk {
  readonly bytes: number
  readonly readOnly: boolean
  /** What a guest sees as the disk's serial number: up to 20 ASCII characters. */
  readonly id: string
  /** Fills `length` bytes of the segments, from `skip` bytes into them on. */
  read(offset: number, segments: readonly Uint8Array[], skip: number, length: number, done: DiskDone): void
  write(offset: number, segments: readonly Uint8Array[], skip: number, length: number, done: DiskDone): void
  /** What was written before, and is done, will survive a crash of the host. */
  flush(done: DiskDone): void
  /** A hint: nobody needs this content any more. What it reads as afterwards is open. */
  discard(offset: number, length: number, done: DiskDone): void
  /** Reads as zeros afterwards. @param mayUnmap the host may take the space back */
  writeZeroes(offset: number, length: number, mayUnmap: boolean, done: DiskDone): void
  /** Requests since the last call need not begin before this one. */
  submit(): void
  /**
   * From its return on no request under way writes into the segments it was given. Those that the host cannot end at once
   * end later; ECANCELED is an end too.
   */
  drain(): void
  /** When no request is under way any more. */
  close(): void
}
