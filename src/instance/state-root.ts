/**
 * Where state lives, and the check that nobody else prepared that place for us.
 *
 * A directory in a world-writable place may have been made by another user, or be a symbolic link to somewhere else
 * (CVE-2026-1386 was such a pre-made directory): state is kept only in real directories that we own and others
 * cannot write.
 */
import { chmodSync, lstatSync, mkdirSync, type Stats, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { HostError, pathFault } from '../errors.ts'

export interface StateRoots {
  /** What is running or ran since boot: instance directories. */
  readonly run: string
  /** What outlives a boot: images, caches, disks. */
  readonly data: string
}

type Environment = Readonly<Record<string, string | undefined>>

export function stateRoots(env: Environment = process.env, uid: number = process.geteuid?.() ?? 0): StateRoots {
  if (env.CLOISTER_ROOT) {
    // What lies where would depend on the directory that a command was started in.
    if (!isAbsolute(env.CLOISTER_ROOT)) {
      throw new HostError(`Cannot keep state in ${env.CLOISTER_ROOT}: CLOISTER_ROOT must begin with "/".`, {
        hint: OTHER_PLACE,
      })
    }
    const root = resolve(env.CLOISTER_ROOT)
    return { run: join(root, 'run'), data: join(root, 'data') }
  }
  if (uid === 0) return { run: '/run/cloister', data: '/var/lib/cloister' }
  const [home, xdgData, xdgRun] = [env.HOME, env.XDG_DATA_HOME, env.XDG_RUNTIME_DIR].map(absolute)
  const dataHome = xdgData ?? (home && join(home, '.local/share'))
  if (dataHome === undefined) {
    throw new HostError('Cannot tell where to keep state: HOME is not set.', { hint: OTHER_PLACE })
  }
  const data = join(dataHome, 'cloister')
  // Without a run-time directory of its own, a login gets one in its home rather than in /tmp, where others may plant.
  return { run: xdgRun ? join(xdgRun, 'cloister') : join(data, 'run'), data }
}

/** A relative path counts as none: XDG Base Directory Specification, "Environment variables". */
const absolute = (path: string | undefined) => (path && isAbsolute(path) ? path : undefined)

/** Makes the run root, and answers it. @throws HostError when it, or the CLOISTER_ROOT around it, is not safely ours. */
export function claimRunRoot(env: Environment = process.env): string {
  const run = resolve(stateRoots(env).run)
  // A place such as /tmp is no root to take over: others have their files there, and the next one may be ours.
  if (env.CLOISTER_ROOT) {
    const root = dirname(run)
    if ((checkedDirectory(root).mode & 0o022) !== 0) {
      throw new HostError(`Cannot keep state in ${root}: others can write it.`, { hint: OTHER_PLACE })
    }
  }
  claimDirectory(run)
  return run
}

/** Makes the directory if need be, mode 0700. @throws HostError when it is not safely ours. */
export function claimDirectory(path: string): void {
  const { mode } = checkedDirectory(path)
  if ((mode & 0o077) !== 0) chmodSync(path, 0o700)
}

function checkedDirectory(path: string): Stats {
  try {
    makeDirectories(path)
  } catch (cause) {
    throw new HostError(`Cannot make the state directory ${path}: ${pathFault(cause)}.`, { hint: OTHER_PLACE, cause })
  }
  const own = process.geteuid?.() ?? 0
  const stat = lstatSync(path)
  const fault = !stat.isDirectory()
    ? 'it is not a real directory'
    : stat.uid !== own
      ? `it belongs to user ${stat.uid}`
      : othersMayReplace(path, own)
        ? `others can write ${dirname(path)}`
        : undefined
  if (fault) throw new HostError(`Cannot keep state in ${path}: ${fault}.`, { hint: OTHER_PLACE })
  return stat
}

/**
 * One by one: with `recursive` Node 20 tries for ever where a directory that is there takes no others, as in /proc.
 * Another process may make the same ones at the same time.
 */
function makeDirectories(path: string): void {
  try {
    makeDirectory(path)
  } catch (error) {
    const parent = dirname(path)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error
    makeDirectories(parent)
    makeDirectory(path)
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Whoever can write the parent can rename a directory of ours away and put another there, unless it is sticky. */
function othersMayReplace(path: string, own: number): boolean {
  const parent = statSync(dirname(path))
  const writable = (parent.mode & 0o022) !== 0 && (parent.mode & 0o1000) === 0
  return writable || (parent.uid !== 0 && parent.uid !== own)
}

const OTHER_PLACE = 'Set CLOISTER_ROOT to a directory of your own that others cannot write, by its absolute path.'
