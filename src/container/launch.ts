/**
 * Starts an OCI runtime so that nothing of the container outlives us, however we die:
 *
 *   setpriv, becomes unshare     gets SIGKILL when our process dies
 *     └─ sh, becomes the runtime first process of its own pid and mount namespaces; gets SIGKILL when unshare dies
 *          └─ the program        the kernel kills the whole pid namespace with its first process
 *
 * The overlay is mounted inside that mount namespace and vanishes with it. setpriv(1), unshare(1), prctl(2)
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LAYERS } from './root.ts'
import type { OciRuntime } from './runtime.ts'

/** Files below the container's directory. */
export const FILES = {
  config: 'config.json',
  /** Appears when the runtime has started the program. */
  pid: 'pid',
  runtimeLog: 'runtime.log',
  launchLog: 'launch.log',
  state: 'state',
  script: 'launch.sh',
} as const

const overlay = (upper: string, work: string, extra: string) =>
  `mount -t overlay overlay -o lowerdir=${LAYERS.lower},upperdir=${upper},workdir=${work}${extra} ${LAYERS.root}`

/**
 * Descriptor 3 is /proc/PID/stat of our process: we may have died before the first SIGKILL was armed, and a read of
 * it then fails or shows a zombie. `volatile` spares a sync at the end and is refused before Linux 5.10; an upper
 * layer that itself lies on an overlay is refused always, and a tmpfs of the mount namespace takes its place.
 */
const SCRIPT = `
read -r owner <&3 || exit 1
case $owner in *') Z '*|*') X '*) exit 1 ;; esac
exec 3<&-
cd "$1" && shift || exit 1
{
  ${overlay(LAYERS.upper, LAYERS.work, ',volatile')} ||
  ${overlay(LAYERS.upper, LAYERS.work, '')} || {
    mkdir scratch && mount -t tmpfs -o mode=0755 tmpfs scratch && cp -a ${LAYERS.upper} ${LAYERS.work} scratch &&
    ${overlay(`scratch/${LAYERS.upper}`, `scratch/${LAYERS.work}`, '')}
  } || exit 1
} 2>${FILES.launchLog}
exec "$@"
`

export interface LaunchFacts {
  readonly runtime: OciRuntime
  readonly id: string
  /** The bundle, and the place of everything else. */
  readonly directory: string
  readonly stdio: readonly [stdin: number | 'ignore', stdout: number, stderr: number]
}

export function launch({ runtime, id, directory, stdio }: LaunchFacts): ChildProcess {
  const script = join(directory, FILES.script)
  writeFileSync(script, SCRIPT)
  const owner = openSync('/proc/self/stat', 'r')
  try {
    return spawn('setpriv', [...GUARD, 'sh', script, directory, ...runtimeCommand(runtime, directory, id)], {
      stdio: [...stdio, owner],
      // A session of its own: the terminal's Ctrl-C reaches us alone, and we pass it on once.
      detached: true,
      cwd: '/',
      env: { PATH: '/usr/bin:/usr/sbin:/bin:/sbin' },
    })
  } finally {
    closeSync(owner)
  }
}

const GUARD = [
  ...['--pdeathsig', 'KILL'],
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
] as const

function runtimeCommand({ name, path }: OciRuntime, directory: string, id: string): string[] {
  const at = (file: string) => join(directory, file)
  const global = ['--root', at(FILES.state), '--log', at(FILES.runtimeLog), '--log-format', 'json']
  // runc removes the control group, and with it the count of memory kills, before it tells us that the program ended.
  const keep = name === 'runc' ? ['--keep'] : []
  return [path, ...global, 'run', ...keep, '--pid-file', at(FILES.pid), '--bundle', directory, id]
}
