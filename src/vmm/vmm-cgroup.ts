/**
 * The control group of a VM's process: a VMM whose guest drives it to waste memory or processors meets a limit of its
 * own and takes nobody with it.
 */
import { readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EXIT } from '../errors.ts'
import { type Cgroup, type CgroupLimits, instanceCgroup, instanceKey } from '../host/cgroup.ts'
import { delegatedCgroup } from '../host/cgroup-delegation.ts'
import { type CgroupLayout, readCgroupLayout } from '../host/cgroup-layout.ts'
import { type JoinedCgroup, joinCgroup } from '../host/own-cgroup.ts'
import type { ExitResult } from '../instance/instance.ts'
import { stateRoots } from '../instance/state-root.ts'

const MIB = 2 ** 20

/**
 * On top of the guest's: what Node.js allocates once it is here, and the kernel for the VM. bench/vmm-cgroup.ts sees 7 MiB
 * under load; a heap that is about to be collected takes 50.
 */
export const VMM_MEMORY = 96 * MIB
/** Beside the vCPUs one thread serves the devices. */
export const VMM_CPUS = 1
/** About fifteen are there. */
const VMM_THREADS = 64
/** A group costs a foreground command its way in and its way out; one that ends before has no use for it. */
export const FOREGROUND_DELAY_MS = 1000
/** linux/magic.h. */
const TMPFS_MAGIC = 0x01021994

export interface VmmFacts {
  readonly name: string
  /** The instance's own. */
  readonly directory: string
  readonly memoryBytes: number
  readonly cpus: number
}

export interface VmmCgroup {
  /** Where this process is now; undefined when it has joined none. */
  readonly joined: JoinedCgroup | undefined
  /** For the details of `inspect`. */
  describe(): Record<string, unknown>
  /**
   * More memory for a while, where the host lets it have more: what a guest writes while its memory is set aside for a
   * snapshot is there twice. Where snapshots are kept on a tmpfs, their files are memory of this group too, for good.
   * @returns what takes it back
   */
  makeRoom(bytes: number): () => void
  /** Leaves it for good. */
  remove(): void
}

export const vmmLimits = ({ memoryBytes, cpus }: Pick<VmmFacts, 'memoryBytes' | 'cpus'>): Required<CgroupLimits> => ({
  memoryBytes: memoryBytes + VMM_MEMORY,
  cpus: cpus + VMM_CPUS,
  tasks: VMM_THREADS,
})

const place = ({ name, directory }: Pick<VmmFacts, 'name' | 'directory'>, parent = '') => ({
  key: instanceKey(name, directory),
  parent,
})

const parentFile = (directory: string) => join(directory, 'vmm-cgroup')

function recordedParent(directory: string): string {
  try {
    return readFileSync(parentFile(directory), 'utf8')
  } catch {
    return ''
  }
}

/**
 * Joins at once when the process exists for this instance alone; otherwise later, when it turns out to stay.
 * What the host refuses is said on the log and in `inspect --security`; the VM runs all the same.
 */
export function joinVmmCgroup(facts: VmmFacts, detached: boolean, log: (line: string) => void): VmmCgroup {
  let joined: JoinedCgroup | undefined
  const enter = () => {
    const layout = readCgroupLayout()
    const parent = process.geteuid?.() === 0 ? undefined : delegatedCgroup(layout)?.parent
    // Whoever sweeps it may have been given another part of the tree.
    if (parent !== undefined) writeFileSync(parentFile(facts.directory), parent, { mode: 0o600 })
    joined = joinCgroup(layout, place(facts, parent), vmmLimits(facts))
    if (joined.refused.length > 0) log(`no limits for the VMM here: ${joined.refused.join('; ')}`)
  }
  /** Nobody could catch what a timer throws: the guest would be ended for it. */
  const enterIfPossible = () => {
    try {
      enter()
    } catch (error) {
      log(`no limits for the VMM here: ${(error as Error).message}`)
    }
  }
  let timer: NodeJS.Timeout | undefined
  if (detached) enterIfPossible()
  else timer = setTimeout(enterIfPossible, FOREGROUND_DELAY_MS).unref()
  return {
    get joined() {
      return joined
    },
    describe() {
      if (!joined) return {}
      const { cgroup, refused } = joined
      return {
        controlGroups: { path: cgroup.path, directories: cgroup.directories(), limits: cgroup.limits(), refused },
      }
    },
    makeRoom: (bytes) => (joined ? makeRoom(joined.cgroup, bytes) : () => {}),
    remove() {
      clearTimeout(timer)
      joined?.leave()
      joined = undefined
    },
  }
}

function makeRoom(cgroup: Cgroup, bytes: number): () => void {
  const { memoryBytes: before } = cgroup.limits()
  if (before === undefined) return () => {}
  const limit = before + (keepsStateInMemory() ? bytes : 0)
  if (!attempt(() => cgroup.setMemoryLimit(limit + bytes))) return () => {}
  return () => {
    // A limit below what it needs would end it.
    if ((cgroup.memoryUse() ?? 0) < limit) attempt(() => cgroup.setMemoryLimit(limit))
  }
}

function keepsStateInMemory(): boolean {
  try {
    return statfsSync(stateRoots().data).type === TMPFS_MAGIC
  } catch {
    return false
  }
}

/** @returns whether the host did it */
function attempt(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}

const cgroupOf = (name: string, directory: string, layout: CgroupLayout = readCgroupLayout()): Cgroup =>
  instanceCgroup(layout, place({ name, directory }, recordedParent(directory)))

/** How a VMM that died without a word ended, where the host knows: its group has killed it. */
export function vmmCrash(name: string, directory: string, memoryBytes: number): ExitResult | undefined {
  if (cgroupOf(name, directory).outOfMemoryKills() === 0) return undefined
  const limit = vmmLimits({ memoryBytes, cpus: 1 }).memoryBytes / MIB
  return {
    exitCode: EXIT.outOfMemory,
    outOfMemory: true,
    report:
      `The VMM of "${name}" was killed: it needed more than the ${limit} MiB of its control group, which are ` +
      "the guest's memory and what a VMM takes. The guest was lost with it.",
  }
}

/** Removes the group that a VMM left when it was killed. @returns what that was, in words */
export async function sweepVmmCgroup(name: string, directory: string): Promise<string[]> {
  const cgroup = cgroupOf(name, directory)
  const groups = cgroup.directories()
  if (groups.length === 0) return []
  const left = await cgroup.empty()
  return [
    left.length === 0
      ? `removed the control group of the VMM of "${name}"`
      : `could not remove the control group ${left[0]}: it is still in use`,
  ]
}
