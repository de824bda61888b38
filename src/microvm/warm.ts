/**
 * Warm start: a guest goes on where one like it had booted once, its agent waiting for a program. The snapshot is made by
 * the first run and kept; whatever is wrong with it is no reason for a run to fail, which boots then.
 */
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { claimDirectory, stateRoots } from '../instance/state-root.ts'
import { removeSnapshot } from '../snapshot/list.ts'
import { type OpenSnapshot, openSnapshot } from '../snapshot/open-snapshot.ts'
import { takeSnapshot } from '../snapshot/take-snapshot.ts'
import { sweepSnapshots } from '../snapshot/workshop.ts'
import { BOOTED, type Guest } from './guest.ts'

/** Those that are kept, and what they may take: the ones that were of no use for longest go first. */
const KEPT_MAX = 24
const BYTES_MAX = 2 * 1024 ** 3
const BLOCK = 512
/** Marks of those that were asked for once, so many of them. */
const SEEN = '.seen'
const SEEN_MAX = 64
/** Marks of those from which a guest did not go on in time, and has not since. */
const LATE = '.late'
/** A host that is busy for so long is not; what starts at the same time is late at the same time. */
const LATE_MS = 10 * 60_000

export interface WarmStart {
  /** The snapshot to go on from, checked. */
  find(): Promise<OpenSnapshot | undefined>
  /** Whether somebody has asked this before: what is wanted once may never be wanted again. */
  seenBefore(): boolean
  /** It turned out to be of no use. */
  discard(reason: string): void
  /** A guest did not answer in time: the host may be busy, so that it is discarded only if that goes on. */
  late(reason: string): void
  /** One did. */
  inTime(): void
  /**
   * Of a guest whose agent waits, nobody connected to it.
   * @param onContinued the guest runs again; what was saved is written beside its work
   */
  save(guest: Guest, onContinued: () => void, signal: AbortSignal): Promise<void>
}

export function warmStart(key: string, log: (line: string) => void, root = join(stateRoots().data, 'warm')): WarmStart {
  const directory = join(root, key)
  const discard = (reason: string) => {
    log(`the guest boots anew: ${reason}`)
    attempt(() => removeSnapshot(directory))
    inTime()
  }
  const lateMark = `${directory}${LATE}`
  const inTime = () => attempt(() => rmSync(lateMark, { force: true }))
  return {
    async find() {
      if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return undefined
      try {
        const found = await openSnapshot(directory, { level: BOOTED })
        touch(directory)
        return found
      } catch (error) {
        discard((error as Error).message)
        return undefined
      }
    },
    discard,
    late(reason) {
      const since = statSync(lateMark, { throwIfNoEntry: false })?.mtimeMs
      if (since !== undefined && Date.now() - since > LATE_MS) return discard(reason)
      log(`the guest boots: ${reason}`)
      if (since === undefined) attempt(() => writeFileSync(lateMark, '', { mode: 0o600 }))
    },
    inTime,
    seenBefore() {
      const mark = `${directory}${SEEN}`
      if (existsSync(mark)) return true
      attempt(() => writeFileSync(mark, '', { mode: 0o600 }))
      return false
    },
    async save({ machine, ram, shape }, onContinued, signal) {
      claimDirectory(root)
      rmSync(`${directory}${SEEN}`, { force: true })
      sweepSnapshots(root)
      await takeSnapshot(
        { machine, ram },
        { directory, level: BOOTED, spec: null, machine: shape, onContinued, signal },
      )
      tidy(root, key)
    },
  }
}

/** The directory's own time of change is that of its last use. */
function touch(directory: string): void {
  const now = new Date()
  attempt(() => utimesSync(directory, now, now))
}

/** Machines that run from one of them go on. */
function tidy(root: string, justMade: string): void {
  const others = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== justMade && !entry.name.startsWith('.'))
    .map(({ name }) => ({ name, usedMs: statSync(join(root, name)).mtimeMs, bytes: bytesIn(join(root, name)) }))
    .sort((a, b) => b.usedMs - a.usedMs)
  const marks = readdirSync(root).filter((name) => name.endsWith(SEEN))
  if (marks.length > SEEN_MAX) for (const mark of marks) rmSync(join(root, mark), { force: true })
  let bytes = bytesIn(join(root, justMade))
  for (const [index, other] of others.entries()) {
    bytes += other.bytes
    if (index + 1 >= KEPT_MAX || bytes > BYTES_MAX) attempt(() => removeSnapshot(join(root, other.name)))
  }
}

/** On the disk: memory is mostly holes. */
const bytesIn = (directory: string): number =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).blocks * BLOCK, 0)

/** Another process may tidy up at the same time. */
function attempt(work: () => void): void {
  try {
    work()
  } catch {
    // What is still there is looked at again next time.
  }
}
