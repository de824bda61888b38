/** Where a container is to live on this host: its directory, its control group, and what this user may do there. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import type { Cgroup } from '../host/cgroup.ts'
import { type DelegatedCgroup, delegatedCgroup } from '../host/cgroup-delegation.ts'
import { type CgroupLayout, readCgroupLayout } from '../host/cgroup-layout.ts'
import { parseOpenFilesMax } from '../host/process-status.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { NamespaceConnection } from '../network/connect.ts'
import { ociConfig } from './bundle.ts'
import type { Ending } from './ending.ts'
import { type InitReport, initMounts } from './init.ts'
import { FILES } from './launch.ts'
import { nameMounts } from './names.ts'
import { LAYERS, prepareRoot } from './root.ts'
import { processLimit, type Rootless, rootlessMode, userNamespaceRefusal } from './rootless.ts'
import type { Connection } from './streams.ts'
import { containerCgroup, containerDirectory } from './sweep.ts'
import { volumeMounts } from './volumes.ts'

export interface ContainerPlace {
  /** The bundle, and everything else of ours. */
  readonly directory: string
  readonly layout: CgroupLayout
  readonly rootless: Rootless | undefined
  readonly delegated: DelegatedCgroup | undefined
  /** Whether it is to have a control group. */
  readonly grouped: boolean
  readonly cgroup: Cgroup
}

export function containerPlace({ name }: RunSpec, instanceDirectory: string): ContainerPlace {
  const layout = readCgroupLayout()
  const rootless = rootlessMode()
  const delegated = rootless && delegatedCgroup(layout)
  return {
    directory: containerDirectory(instanceDirectory),
    layout,
    rootless,
    delegated,
    grouped: !rootless || delegated !== undefined,
    cgroup: containerCgroup(name, instanceDirectory, layout, delegated?.parent),
  }
}

const LIMITS = ['memory', 'cpu', 'pids'] as const

/** @returns what the user should know before relying on it @throws HostError where there can be no container at all */
export function checkPlace({ name }: RunSpec, { rootless, delegated, grouped }: ContainerPlace): string | undefined {
  if (!rootless) return undefined
  const refusal = userNamespaceRefusal()
  if (refusal) throw new HostError(`Cannot start container "${name}" without root: ${refusal.reason}.`, refusal)
  const missing = LIMITS.filter((limit) => !delegated?.controllers.includes(limit))
  if (missing.length === 0) return undefined
  const lost = `without root there is no control group for ${missing.join(', ')}: this container has no such limit`
  return grouped ? lost : `${lost} and cannot be paused`
}

/** Programs and runtimes alike misbehave with a limit of a thousand million descriptors, which some hosts have. */
const OPEN_FILES_CAP = 1_048_576

/** @param network what it is attached to, if anything */
export function writeBundle(
  spec: RunSpec,
  place: ContainerPlace,
  streams: readonly Connection[],
  network?: NamespaceConnection,
): void {
  const { directory, cgroup, grouped, delegated, rootless } = place
  mkdirSync(directory, { mode: 0o700 })
  const mounts = [
    ...prepareRoot(spec, directory),
    ...initMounts(),
    ...nameMounts(spec, directory, network),
    ...volumeMounts(spec),
  ]
  const openFilesMax = Math.min(parseOpenFilesMax(readFileSync('/proc/self/limits', 'utf8')), OPEN_FILES_CAP)
  const config = ociConfig(spec, {
    ...{ root: join(directory, LAYERS.root), mounts, streams, openFilesMax },
    cgroupsPath: grouped ? cgroup.path : undefined,
    ...(delegated && { controllers: delegated.controllers }),
    rlimits: rootless ? processLimit() : [],
    ...(network && { networkNamespace: network.namespace }),
  })
  writeFileSync(join(directory, FILES.config), JSON.stringify(config), { mode: 0o600 })
}

/** What is known of an end, gathered before the place is given up. @param said by the runtime, if the program never ran */
export function endingAt(
  { cgroup, directory }: ContainerPlace,
  status: Ending['status'],
  report: InitReport | undefined,
  said = '',
): Ending {
  return {
    status,
    report,
    outOfMemoryKills: cgroup.outOfMemoryKills(),
    runtimeLog: readIfThere(join(directory, FILES.runtimeLog)),
    launchLog: readIfThere(join(directory, FILES.launchLog)) + said,
  }
}

export async function giveUpPlace({ cgroup, directory }: ContainerPlace, log?: (line: string) => void): Promise<void> {
  const left = await cgroup.empty()
  if (left.length > 0) log?.(`cannot remove the control group ${left[0]}: it is still in use`)
  rmSync(directory, { recursive: true, force: true })
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
