/** A disk in memory that notes what is asked of it and, if wanted, ends requests only when told to. */
import type { Disk, DiskDone } from '../../src/backends/disk/disk.ts'
import { gather, scatter } from '../../src/virtio/chain.ts'

export interface MemoryDisk extends Disk {
  /** The disk, between two guards that are none of its business. */
  readonly content: Uint8Array
  /** Requests in the order they began, such as `read 0+512`. */
  readonly asked: string[]
  /** Requests begun and not ended. */
  readonly underWay: (() => void)[]
  /** Makes every request fail with this errno from now on; 0 stops it. */
  failWith: number
  guardsIntact(): boolean
}

const GUARD_BYTES = 4096

export function createMemoryDisk({
  sectors = 64,
  readOnly = false,
  late = false,
}: {
  readonly sectors?: number
  readonly readOnly?: boolean
  /** Requests end when the test calls what `underWay` holds. */
  readonly late?: boolean
}): MemoryDisk {
  const bytes = sectors * 512
  const host = new Uint8Array(bytes + 2 * GUARD_BYTES).fill(0xa5)
  const content = host.subarray(GUARD_BYTES, GUARD_BYTES + bytes).fill(0)
  const begin = (what: string, done: DiskDone, work: () => void): void => {
    disk.asked.push(what)
    const end = () => {
      if (disk.failWith === 0) work()
      done(disk.failWith)
    }
    if (late) disk.underWay.push(end)
    else end()
  }
  const disk: MemoryDisk = {
    bytes,
    readOnly,
    id: 'memory',
    content,
    asked: [],
    underWay: [],
    failWith: 0,
    guardsIntact: () =>
      host.subarray(0, GUARD_BYTES).every((byte) => byte === 0xa5) &&
      host.subarray(GUARD_BYTES + bytes).every((byte) => byte === 0xa5),
    read: (offset, segments, skip, length, done) =>
      begin(`read ${offset}+${length}`, done, () => {
        scatter(segments, host.subarray(GUARD_BYTES + offset, GUARD_BYTES + offset + length), skip)
      }),
    write: (offset, segments, skip, length, done) =>
      begin(`write ${offset}+${length}`, done, () => {
        gather(segments, host.subarray(GUARD_BYTES + offset, GUARD_BYTES + offset + length), skip)
      }),
    flush: (done) => begin('flush', done, () => {}),
    discard: (offset, length, done) => begin(`discard ${offset}+${length}`, done, () => {}),
    writeZeroes: (offset, length, mayUnmap, done) =>
      begin(`zero ${offset}+${length}${mayUnmap ? ' unmap' : ''}`, done, () => {
        host.fill(0, GUARD_BYTES + offset, GUARD_BYTES + offset + length)
      }),
    submit: () => {},
    drain: () => {
      for (const end of disk.underWay.splice(0)) end()
    },
    close: () => {},
  }
  return disk
}
