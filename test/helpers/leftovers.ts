/** What the host still holds for the instances of one state root: nothing, when all went well. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { instanceCgroup, instanceKey } from '../../src/host/cgroup.ts'
import { readCgroupLayout } from '../../src/host/cgroup-layout.ts'
import { hasEnded } from '../../src/host/process-status.ts'

/** Processes may take as long to die as the kernel takes to tear a namespace down. */
const PATIENCE_MS = 5000
const LOOK_MS = 20
/** The journal outlives instances; which OCI runtime works on this host is remembered until the next boot. */
const KEPT = ['events.jsonl', 'events.1.jsonl', 'oci-runtimes.json', 'cpu-policy.json', 'cpu-policy.json.new']

export interface RootProcess {
  readonly pid: number
  readonly commandLine: string
}

const contentOf = (path: string): string => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Living processes that know the root by their environment or their command line; the caller is not one of them. */
export function processesOf(root: string): RootProcess[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((entry) => {
      const commandLine = contentOf(`/proc/${entry}/cmdline`).replaceAll('\0', ' ').trim()
      const known =
        commandLine.includes(root) || contentOf(`/proc/${entry}/environ`).includes(`CLOISTER_ROOT=${root}\0`)
      return known && !hasEnded(Number(entry)) ? [{ pid: Number(entry), commandLine }] : []
    })
}

/** Those that hold an instance, or are about to. */
export const holdersOf = (root: string): RootProcess[] =>
  processesOf(root).filter(({ commandLine }) => commandLine.endsWith(' hold'))

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return KEPT.includes(entry.name) ? [] : [`file ${path}`]
  })

/** @param names of all instances that were ever started there */
function lookOnce(root: string, names: readonly string[]): string[] {
  const layout = readCgroupLayout()
  const groups = names.flatMap((name) => {
    const key = instanceKey(name, join(root, 'run/instances', name))
    return [undefined, 'program'].flatMap((leaf) =>
      instanceCgroup(layout, leaf ? { key, leaf } : { key }).directories(),
    )
  })
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(root))
  return [
    ...processesOf(root).map(({ pid, commandLine }) => `process ${pid}: ${commandLine}`),
    ...new Set(groups.map((directory) => `control group ${directory}`)),
    ...mounts.map((line) => `mount ${line}`),
    ...filesBelow(root),
    ...readdirSync(join(root, 'run/instances')).map((entry) => `directory ${entry}`),
  ]
}

/** @returns what is there still when the dying had their time, in words */
export async function leftoversOf(root: string, names: readonly string[]): Promise<string[]> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(LOOK_MS)) {
    const left = lookOnce(root, names)
    if (left.length === 0 || Date.now() > deadline) return left
  }
}
