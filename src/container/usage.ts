/** What a container uses: its control group where it has one, otherwise its processes one by one. */
import { totalmem } from 'node:os'
import type { Cgroup } from '../host/cgroup.ts'
import { cpuTimeNs, privateBytes } from '../host/process-usage.ts'
import type { Usage } from '../instance/instance.ts'

/** @param helpers processes of the host around it, in no group: unshare and the OCI runtime */
export function containerUsage(cgroup: Cgroup, inside: readonly number[], helpers: readonly number[]): Usage {
  const sum = (pids: readonly number[], of: (pid: number) => number) => pids.reduce((total, pid) => total + of(pid), 0)
  return {
    // Without a group nobody counts what ended processes used.
    cpuTimeNs: (cgroup.cpuTimeNs() ?? sum(inside, cpuTimeNs)) + sum(helpers, cpuTimeNs),
    memoryBytes: (cgroup.memoryUse() ?? sum(inside, privateBytes)) + sum(helpers, privateBytes),
    memoryLimitBytes: cgroup.limits().memoryBytes ?? totalmem(),
    tasks: inside.length,
  }
}
