/** Tells of the host's errors under a disk: the guest hears of an I/O error alone, and its owner should know why. */
import { getSystemErrorName } from 'node:util'
import { ECANCELED } from '../../../kvm-bindings/constants.ts'
import { pathFault } from '../../errors.ts'
import type { Disk, DiskDone } from './disk.ts'

/** A guest that goes on trying must not fill the log. */
const LINES = 8

export function logFaults(disk: Disk, path: string, log: (line: string) => void): Disk {
  let lines = 0
  const watched =
    (what: string, done: DiskDone): DiskDone =>
    (errno) => {
      // Cancelled for the guest itself, which was reset.
      if (errno !== 0 && errno !== ECANCELED && lines++ < LINES) {
        const last = lines === LINES ? ' Further ones are not logged.' : ''
        log(`disk ${path}: ${what} failed: ${pathFault({ code: getSystemErrorName(-errno) })}.${last}`)
      }
      done(errno)
    }
  return {
    bytes: disk.bytes,
    readOnly: disk.readOnly,
    id: disk.id,
    read: (offset, segments, skip, length, done) => disk.read(offset, segments, skip, length, watched('a read', done)),
    write: (offset, segments, skip, length, done) =>
      disk.write(offset, segments, skip, length, watched('a write', done)),
    flush: (done) => disk.flush(watched('a flush', done)),
    discard: (offset, length, done) => disk.discard(offset, length, watched('a discard', done)),
    writeZeroes: (offset, length, mayUnmap, done) =>
      disk.writeZeroes(offset, length, mayUnmap, watched('writing zeroes', done)),
    submit: () => disk.submit(),
    drain: () => disk.drain(),
    close() {
      try {
        disk.close()
      } catch (error) {
        log(`disk ${path}: what was written last may be lost: ${pathFault(error)}.`)
      }
    },
  }
}
