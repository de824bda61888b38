/** What crashes left on this host, as a line of the doctor: found, or with `--fix` cleaned. */
import { readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type CheckedFinding, pass, warn } from '../doctor/check.ts'
import { readCgroupLayout } from '../host/cgroup-layout.ts'
import { claimRunRoot } from '../instance/state-root.ts'
import { InstanceStore } from '../instance/store.ts'
import type { Log } from '../log.ts'
import { deadLeases } from '../network/dead.ts'
import { NetworkStore } from '../network/store.ts'
import { abandonedSnapshots, openSnapshots } from './snapshots.ts'
import { sweepNetworks, sweepOrphans } from './sweep.ts'

/** A group without a process and this old is nobody's: a container that starts has one within a second. */
const ABANDONED_MS = 60_000

export async function examineLeftovers({ fix, log }: { fix: boolean; log: Log }): Promise<CheckedFinding> {
  const about = { id: 'leftovers', title: 'Left by crashes' }
  const store = new InstanceStore(claimRunRoot())
  if (!fix) {
    const found = [
      ...store.orphans().map(({ name }) => `instance "${name}"`),
      ...strayLeases(),
      ...abandonedGroups(),
      ...unfinished(abandonedSnapshots()),
    ]
    if (found.length === 0) return { ...about, ...pass('nothing') }
    return {
      ...about,
      ...warn(
        listed(found),
        'cloister doctor --fix cleans it, and so does the next command for the instances, "snapshot ls" for snapshots.',
      ),
    }
  }
  const swept = await sweepOrphans(store, log, { quick: false })
  const leases = await sweepNetworks()
  const snapshots = abandonedSnapshots()
  openSnapshots()
  const groups = abandonedGroups().map((path) => ({ path, gone: remove(path) }))
  const stuck = [
    ...swept.flatMap(({ instance, error }) => (error ? [`instance "${instance}": ${error.message}`] : [])),
    ...groups.flatMap(({ path, gone }) => (gone ? [] : [path])),
  ]
  if (stuck.length > 0)
    return {
      ...about,
      ...warn(`could not clean ${listed(stuck)}`, 'Try again as the user who started them, or as root.'),
    }
  const cleaned = [
    ...swept.map(({ instance, released }) => [`instance "${instance}"`, ...released].join(', ')),
    ...leases,
    ...groups.map(({ path }) => path),
    ...unfinished(snapshots),
  ]
  return { ...about, ...pass(cleaned.length === 0 ? 'nothing' : `cleaned: ${listed(cleaned)}`) }
}

const strayLeases = (): string[] =>
  deadLeases(new NetworkStore()).map(({ address, network }) => `address ${address} on network "${network}"`)

const unfinished = (snapshots: readonly string[]): string[] => snapshots.map((path) => `unfinished snapshot ${path}`)

const listed = (found: readonly string[]): string => found.join('; ')

/** Groups named as ours in which nothing has run for a while: their instance's record was removed by hand. */
function abandonedGroups(): string[] {
  return readCgroupLayout().mounts.flatMap(({ mountPoint }) =>
    readdirSync(mountPoint)
      .filter((name) => name.startsWith('cloister-'))
      .map((name) => join(mountPoint, name))
      .filter(isAbandoned),
  )
}

function isAbandoned(path: string): boolean {
  try {
    const inside = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    const empty = readFileSync(join(path, 'cgroup.procs'), 'utf8') === ''
    return (
      empty &&
      Date.now() - statSync(path).ctimeMs > ABANDONED_MS &&
      inside.every(({ name }) => isAbandoned(join(path, name)))
    )
  } catch {
    return false
  }
}

function remove(path: string): boolean {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory() && !remove(join(path, entry.name))) return false
    }
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}
