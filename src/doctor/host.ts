/** The host around it all: what was built, memory, processors, limits, Node. */
import { readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { unikernelPath } from '../paths.ts'
import { type Check, fail, pass, warn } from './check.ts'

const MIB = 2 ** 20
/** A guest of the default size, and Cloister beside it. */
const LEAST_MEMORY = 192 * MIB
const COMFORTABLE_MEMORY = 1024 * MIB
const COMFORTABLE_FILES = 1024

const guestKernel: Check = {
  id: 'guest-kernel',
  title: 'Guest kernel',
  run() {
    const stat = statSync(unikernelPath, { throwIfNoEntry: false })
    if (!stat) return fail('not built', 'make build')
    return pass(`built, ${Math.ceil(stat.size / 1024)} KiB`, { path: unikernelPath, bytes: stat.size })
  },
}

const memory: Check = {
  id: 'memory',
  title: 'Free memory',
  run() {
    const available = readKib('/proc/meminfo', /^MemAvailable:\s+(\d+) kB$/m) * 1024
    const words =
      available >= 1024 * MIB ? `${(available / 2 ** 30).toFixed(1)} GiB` : `${Math.floor(available / MIB)} MiB`
    const facts = { bytes: available }
    if (available < LEAST_MEMORY) return fail(words, 'Free some: a guest of the default size needs 192 MiB.', facts)
    if (available < COMFORTABLE_MEMORY) return warn(words, 'Enough for a few small guests only.', facts)
    return pass(words, facts)
  },
}

const cpus: Check = {
  id: 'cpus',
  title: 'Processors',
  run() {
    const count = availableParallelism()
    const facts = { count }
    if (count === 1) return warn('1', 'A guest and its devices will take turns on it.', facts)
    return pass(`${count}`, facts)
  },
}

const openFiles: Check = {
  id: 'open-files',
  title: 'Open files',
  run() {
    const limit = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 'unknown'
    const count = limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
    const facts = { limit }
    if (!(count >= COMFORTABLE_FILES)) return warn(`${limit} allowed`, 'Raise it: ulimit -n 4096', facts)
    return pass(`${limit} allowed`, facts)
  },
}

const node: Check = {
  id: 'node',
  title: 'Node.js',
  run: () => pass(process.versions.node, { version: process.versions.node, execPath: process.execPath }),
}

function readKib(file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1] ?? 0)
}

export const hostChecks: readonly Check[] = [guestKernel, memory, cpus, openFiles, node]
