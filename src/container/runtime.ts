/**
 * Which OCI runtime runs containers on this host. Nothing is tried out beforehand: the control-group layout says
 * which of the two is likelier to work, and one that refuses the host is remembered until the next boot or upgrade.
 */
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import type { CgroupLayout } from '../host/cgroup-layout.ts'

export const RUNTIME_NAMES = ['crun', 'runc'] as const
export type RuntimeName = (typeof RUNTIME_NAMES)[number]

export interface OciRuntime {
  readonly name: RuntimeName
  readonly path: string
  /** Changes with every upgrade: modification time and size. */
  readonly version: string
}

/** Runtimes live here on Debian, and PATH of an ordinary user does not say so. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Words by which a runtime says that it will never work on this host, whatever the container. */
const HOST_REFUSALS = [
  /cgroups? in hybrid mode not supported/i,
  /cgroups? ?v1 (is )?not supported/i,
  /flag provided but not defined|unrecognized option/i,
  /exec format error$/i,
]

export const isHostRefusal = (message: string): boolean => HOST_REFUSALS.some((words) => words.test(message))

/** Installed runtimes, the likeliest to work first: crun is lighter, but at home on cgroup v2 only. */
export function findRuntimes(layout: CgroupLayout, path: string = process.env.PATH ?? ''): OciRuntime[] {
  const order: readonly RuntimeName[] = layout.kind === 'v2' ? ['crun', 'runc'] : ['runc', 'crun']
  const directories = [...path.split(':').filter((directory) => directory.startsWith('/')), ...SYSTEM_DIRECTORIES]
  return order.flatMap((name) => {
    for (const directory of directories) {
      const runtime = describe(name, join(directory, name))
      if (runtime) return [runtime]
    }
    return []
  })
}

function describe(name: RuntimeName, path: string): OciRuntime | undefined {
  try {
    const stat = statSync(path)
    if (!stat.isFile() || (stat.mode & 0o111) === 0) return undefined
    return { name, path, version: `${stat.mtimeMs}-${stat.size}` }
  } catch {
    // Not there, or in a directory that this user may not search: either way not for us.
    return undefined
  }
}

const VERSION_TIMEOUT_MS = 5000

/** What it says about itself; undefined when it does not run. Takes some milliseconds. */
export function askVersion({ path }: Pick<OciRuntime, 'path'>): string | undefined {
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: VERSION_TIMEOUT_MS })
  return status === 0 ? /(\d+\.\d+\S*)/.exec(stdout)?.[1] : undefined
}

/** The error for a host where no runtime works. */
export function noRuntimeError(refused: readonly { readonly name: string; readonly reason: string }[]): HostError {
  if (refused.length === 0) {
    return new HostError('Cannot run a container: neither runc nor crun is installed.', {
      hint: 'Install one: apt-get install runc',
    })
  }
  const reasons = refused.map(({ name, reason }) => `${name} says "${reason}"`).join('; ')
  const missing = RUNTIME_NAMES.filter((name) => !refused.some((one) => one.name === name))
  return new HostError(`Cannot run a container: no OCI runtime works on this host: ${reasons}.`, {
    hint:
      missing.length > 0
        ? `Install the other one: apt-get install ${missing[0]}`
        : 'Upgrade runc: apt-get install runc',
  })
}

/** What a runtime wrote into its log that counts as an error. Both write one JSON object a line. */
export function logErrors(log: string): string[] {
  return log.split('\n').flatMap((line) => {
    try {
      const { level, msg } = JSON.parse(line)
      return level === 'error' && typeof msg === 'string' ? [msg] : []
    } catch {
      return []
    }
  })
}
