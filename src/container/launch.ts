/**
 * Starts an OCI runtime so that nothing of the container outlives us, however we die:
 *
 *   setpriv, becomes unshare     gets SIGKILL when our process dies
 *     └─ launch.c, becomes the   first process of its own pid and mount namespaces: gets SIGKILL when unshare dies,
 *        OCI runtime             and with it the kernel kills all others in that pid namespace
 *          └─ init.c             process 1 of the container
 *               └─ the program
 *
 * For an ordinary user the first step makes a user namespace too (rootless.ts).
 * The overlay and its writable layer are mounted inside that mount namespace and vanish with it. setpriv(1), unshare(1), prctl(2)
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { builtProgram } from './built.ts'
import { INIT_DESCRIPTORS } from './init.ts'
import { filesMax } from './mounts.ts'
import { type Rootless, userNamespaceArguments } from './rootless.ts'
import type { OciRuntime } from './runtime.ts'
import type { Connection } from './streams.ts'

/** Files below the container's directory. */
export const FILES = {
  config: 'config.json',
  runtimeLog: 'runtime.log',
  /** Where the chain above writes what it has to say. */
  launchLog: 'launch.log',
  state: 'state',
} as const

export interface LaunchFacts {
  readonly runtime: OciRuntime
  readonly id: string
  /** The bundle, and the place of everything else. */
  readonly directory: string
  readonly memoryBytes: number
  readonly streams: readonly Connection[]
  readonly rootless: Rootless | undefined
  /** Whether the container is to have a control group. */
  readonly grouped: boolean
}

/** Where init.c expects its report, in the `stdio` of the child. */
export const REPORT_FD = 6

export function launch(facts: LaunchFacts): ChildProcess {
  const { directory, memoryBytes, streams, rootless } = facts
  const writable = String(filesMax(memoryBytes))
  const owner = openSync('/proc/self/stat', 'r')
  const nothing = openSync('/dev/null', 'r')
  const log = openSync(join(directory, FILES.launchLog), 'a', 0o600)
  const standIns = [nothing, log, log]
  const stdio: StdioOptions = [
    // Input is copied by the runtime, output by it and by us: relay.ts.
    ...standIns.map((standIn, at) => (streams[at]?.letter !== 'k' ? standIn : at === 0 ? streams[at].fd : 'pipe')),
    ...standIns.map((_, at) => (streams[at]?.letter === 'p' ? streams[at].fd : nothing)),
    'pipe',
    owner,
  ]
  try {
    return spawn(
      'setpriv',
      [
        ...GUARD,
        ...userNamespaceArguments(rootless),
        builtProgram('launch'),
        ...[directory, writable, ...runCommand(facts)],
      ],
      {
        stdio,
        // A session of its own: the terminal's Ctrl-C reaches us alone, and we pass it on once.
        detached: true,
        cwd: '/',
        env: HOST_ENVIRONMENT,
      },
    )
  } finally {
    for (const fd of [owner, nothing, log]) closeSync(fd)
  }
}

/** Of the host's programs around it. */
export const HOST_ENVIRONMENT = { PATH: '/usr/bin:/usr/sbin:/bin:/sbin' }

const GUARD = [
  ...['--pdeathsig', 'KILL'],
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
] as const

/** How the runtime is called, whatever it is to do. @param log below the container's directory */
export function runtimeCall(
  { runtime: { name, path }, directory, rootless, grouped }: Omit<LaunchFacts, 'memoryBytes' | 'streams'>,
  log: string,
): string[] {
  const at = (file: string) => join(directory, file)
  const global = ['--root', at(FILES.state), '--log', at(log), '--log-format', 'json']
  // Otherwise runc would try to make groups as root can, and crun some group even when none is asked for.
  if (rootless && name === 'runc') global.push('--rootless', 'true')
  if (name === 'crun' && !grouped) global.push('--cgroup-manager', 'disabled')
  return [path, ...global]
}

function runCommand(facts: LaunchFacts): string[] {
  const { runtime, directory, id } = facts
  // runc removes the control group, and with it the count of memory kills, before it tells us that the program ended.
  const keep = runtime.name === 'runc' ? ['--keep'] : []
  const call = runtimeCall(facts, FILES.runtimeLog)
  return [...call, 'run', ...keep, `--preserve-fds=${INIT_DESCRIPTORS}`, '--bundle', directory, id]
}
