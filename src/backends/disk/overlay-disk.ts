/**
 * Copy-on-write: reads come from a base that is never written until a sector has been written, then from the overlay,
 * which has it at the same offset. No copying, no allocation: the overlay is a sparse file, and a map says which is which.
 */
import { ECANCELED } from '../../../kvm-bindings/constants.ts'
import type { BlockMap } from './block-map.ts'
import type { Disk, DiskDone } from './disk.ts'

/** A guest can write every other sector: reading such a stretch must neither keep the main loop nor fill our memory. */
const RUNS_A_TURN = 256

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
  const deferred: { readonly begin: () => void; readonly done: DiskDone }[] = []
  const goOn = (): void => {
    const reads = deferred.splice(0)
    for (const { begin } of reads) begin()
    if (reads.length > 0) top.submit()
  }
  return {
    bytes: base.bytes,
    readOnly: false,
    id: base.id,
    read(offset, segments, skip, length, done) {
      const runs = map.runs(offset, length)
      const begin = (): void => {
        let last = false
        const end = whenAll((errno) => {
          if (errno !== 0 || last) done(errno)
          else if (deferred.push({ begin, done }) === 1) setImmediate(goOn)
        })
        for (let count = 0; count < RUNS_A_TURN && !last; count++) {
          const { value: run } = runs.next()
          if (run) {
            const source = run.held ? top : base
            source.read(run.offset, segments, skip + run.offset - offset, run.length, end.oneMore())
          } else last = true
        }
        end.noMore()
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
      top.drain()
      base.drain()
      for (const { done } of deferred.splice(0)) done(ECANCELED)
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
