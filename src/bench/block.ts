/**
 * A disk under load: the same guest kernel (guest-kernel/tests/block-load.c) with the same image, so that what differs
 * is the VMM. The image is read into the host's page cache before each run, since the paths are measured and not the
 * host's disk; and each VM has been at work for a moment, as one that runs for hours has.
 */
import { randomFillSync } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { blockLoadPath } from '../paths.ts'
import { type Contender, ContenderRefused, type Launcher } from './contender.ts'
import type { Question } from './measurement.ts'
import { timeProcess } from './process-run.ts'
import type { Entrant, Values } from './rounds.ts'
import type { Scratch } from './scratch.ts'

const KIB = 1024
const MIB = 1024 * KIB
const IMAGE_BYTES = 64 * MIB

interface Load {
  readonly direction: 'read' | 'write'
  readonly bytes: number
  readonly depth: number
}

/** Of each load, however slow a host is. */
const LOAD_MS = 300

const DIRECTIONS = ['read', 'write'] as const
const LOADS: readonly Load[] = DIRECTIONS.flatMap((direction) => [
  { direction, bytes: 4 * KIB, depth: 1 },
  { direction, bytes: 4 * KIB, depth: 16 },
  { direction, bytes: MIB, depth: 1 },
  { direction, bytes: MIB, depth: 16 },
])

/** Comes first and counts for nothing: branch predictors, caches and compilers learn. Its size is no other's. */
const WARM_UP: readonly Load[] = DIRECTIONS.map((direction) => ({ direction, bytes: 512, depth: 16 }))

const idOf = ({ direction, bytes, depth }: Load) => `${direction}-${bytes / KIB}k-${depth}`
const SIZES = new Map([
  [4 * KIB, '4 KiB at random places'],
  [MIB, '1 MiB after 1 MiB'],
])

export const BLOCK_QUESTIONS: readonly Question[] = LOADS.map((load) => ({
  id: idOf(load),
  title: `A ${load.direction} of ${SIZES.get(load.bytes)}, ${load.depth === 1 ? 'one' : load.depth} at a time`,
  unit: 'ns',
}))

export function blockEntrant(
  contender: Contender,
  { scratch, abort }: { readonly scratch: Scratch; readonly abort: AbortSignal },
): Entrant {
  let launch: Launcher | undefined
  const image = writeImage(scratch)
  return {
    contender,
    measure: async () => {
      launch ??= contender.prepareLoad!({
        kernel: blockLoadPath,
        args: [...WARM_UP, ...LOADS].flatMap(({ direction, bytes, depth }) =>
          [direction, bytes, depth, LOAD_MS].map(String),
        ),
        disk: image,
      })
      readFileSync(image)
      return figures((await timeProcess(contender, launch(), abort)).output)
    },
  }
}

/** Not zeroes, which file systems and VMMs may treat as nothing at all. */
function writeImage(scratch: Scratch): string {
  const path = scratch.path('disk.img')
  const fd = openSync(path, 'wx', 0o600)
  const piece = randomFillSync(Buffer.allocUnsafe(MIB))
  for (let at = 0; at < IMAGE_BYTES; at += MIB) writeSync(fd, piece, 0, MIB, at)
  closeSync(fd)
  return path
}

/** Nanoseconds a request. @throws ContenderRefused when one is missing */
export function figures(output: string): Values {
  return Object.fromEntries(
    LOADS.map((load) => {
      const { direction, bytes, depth } = load
      const line = new RegExp(`^${direction} ${bytes} ${depth} (\\d+) (\\d+)\\r?$`, 'm').exec(output)
      if (!line || line[1] === '0')
        throw new ContenderRefused(`its guest gave no figure for ${idOf(load)}: ${output.slice(-200)}`)
      return [idOf(load), Number(line[2]) / Number(line[1])]
    }),
  )
}
