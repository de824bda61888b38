/**
 * Copy-on-write: reads come from a base that is never written until a sector has been written, then from the overlay,
 * which has it at the same offset. No copying, no allocation: the overlay is a sparse file, and a map says which is which.
 */
import type { BlockMap } from './block-map.ts'
import type { Disk, DiskDone } from './disk.ts'

/** A guest can write every other sector: reading such a stretch must not keep the main loop. */
const RUNS_A_TURN = 1024

export interface OverlayOptions {
  readonly base: Disk
  /** As large as the base. */
  readonly top: Disk
  readonly map: BlockMap
  /** Makes what the map says survive a crash, after what the overlay holds does. */
  readonly flush: (done: DiskDone) => void
  readonly release: () => void
}

export function createOverlayDisk({ base, top, map, flush, release }: OverlayOptions): Disk {
  /** The map follows the data: until it is there, the sectors read as before. */
  const whenHeld =
    (offset: number, length: number, done: DiskDone): DiskDone =>
    (errno) => {
      if (errno === 0) map.add(offset, length)
      done(errno)
    }
  const deferred: (() => void)[] = []
  const goOn = (): void => {
    const tasks = deferred.splice(0)
    for (const task of tasks) task()
    if (tasks.length > 0) top.submit()
  }
  const later = (task: () => void): void => {
    if (deferred.push(task) === 1) setImmediate(goOn)
  }
  return {
    bytes: base.bytes,
    readOnly: false,
    id: base.id,
    read(offset, segments, skip, length, done) {
      const runs = map.runs(offset, length)
      const end = whenAll(done)
      const begin = (): void => {
        for (let count = 0; count < RUNS_A_TURN; count++) {
          const { value: run } = runs.next()
          if (!run) {
            end.noMore()
            return
          }
          const source = run.held ? top : base
          source.read(run.offset, segments, skip + run.offset - offset, run.length, end.oneMore())
        }
        later(begin)
      }
      begin()
    },
    write: (offset, segments, skip, length, done) =>
      top.write(offset, segments, skip, length, whenHeld(offset, length, done)),
    // A hole in the overlay, which is held: it must not show the base again.
    discard: (offset, length, done) => top.discard(offset, length, whenHeld(offset, length, done)),
    writeZeroes: (offset, length, mayUnmap, done) =>
      top.writeZeroes(offset, length, mayUnmap, whenHeld(offset, length, done)),
    flush,
    submit: () => top.submit(),
    drain() {
      while (deferred.length > 0) goOn()
      top.drain()
    },
    close: release,
  }
}

/** The first error counts, and is told when all have ended and there are no more to come. */
function whenAll(done: DiskDone) {
  let left = 1
  let first = 0
  const end: DiskDone = (errno) => {
    if (first === 0) first = errno
    if (--left === 0) done(first)
  }
  return {
    oneMore(): DiskDone {
      left++
      return end
    },
    noMore: () => end(0),
  }
}
