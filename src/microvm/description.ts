/** What a microVM is made of and what it uses, as `inspect` and `stats` show it. */
import type { InstanceDescription, Usage } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { summarizeCpuPolicy } from '../machine/cpu-policy-summary.ts'
import { guestMemoryUsage } from '../vmm/balloon-requests.ts'
import { securityOfVm } from '../vmm/security.ts'
import type { VmmCgroup } from '../vmm/vmm-cgroup.ts'
import { vmmUsage } from '../vmm/vmm-usage.ts'
import type { Guest } from './guest.ts'
import type { GuestLinux } from './guest-linux.ts'

export interface MicrovmParts {
  readonly guest: Guest | undefined
  readonly linux: GuestLinux | undefined
  readonly group: VmmCgroup | undefined
  /** Of the guest's kernel, by the agent's word. */
  readonly release: string | undefined
}

export function describeMicrovm(spec: RunSpec, { guest, linux, group, release }: MicrovmParts): InstanceDescription {
  const facts = guest?.devices.describe()
  const policy = guest?.machine.policy
  return {
    security: securityOfVm({
      ...spec,
      kernel: spec.kernel ?? 'a Linux of its own',
      files: 'an image that it reads, and what it writes in its memory',
      vsock: facts?.vsock !== undefined,
      group,
    }),
    details: {
      kernel: linux?.path,
      start: spec.from !== undefined ? 'snapshot' : guest?.restored ? 'warm' : 'cold',
      ...(release !== undefined && { kernelRelease: release }),
      ...facts,
      ...group?.describe(),
      ...(policy && { processor: summarizeCpuPolicy(policy), policy }),
    },
  }
}

export function microvmUsage({ memoryBytes }: RunSpec, guest: Guest | undefined): Usage {
  const balloon = guest?.devices.balloon
  return {
    ...vmmUsage(),
    memoryLimitBytes: memoryBytes,
    exits: guest?.machine.exits() ?? 0,
    ...(balloon && { guestMemory: guestMemoryUsage(balloon) }),
  }
}
