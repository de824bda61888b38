/**
 * The processor policy that this host suggested last, for the next VM: asking KVM what it supports and working out what
 * to change costs 4 ms of a start, and the answer stays the same until the host boots, /dev/kvm appears anew (its module
 * was loaded with other parameters) or Cloister is built anew.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bootId } from '../host/boot-id.ts'
import { stateRoots } from '../instance/state-root.ts'
import type { CpuPolicy } from '../machine/cpu-policy.ts'
import type { PolicyMemory } from '../machine/vcpu-setup.ts'

const FILE = 'cpu-policy.json'

export function policyMemory(file = join(stateRoots().run, FILE), host = describeHost()): PolicyMemory {
  return {
    recall() {
      try {
        // Not looked at as one from elsewhere would be (cpu-policy-record.ts): that takes a millisecond, the file is our
        // own, and what KVM does not take is worked out again.
        const recorded = JSON.parse(readFileSync(file, 'utf8')) as { host: string; policy: CpuPolicy }
        return recorded.host === host ? recorded.policy : undefined
      } catch {
        return undefined
      }
    },
    remember(policy) {
      try {
        // One name for all: what a crash leaves is overwritten, and what two write at once is the same.
        const temporary = `${file}.new`
        writeFileSync(temporary, JSON.stringify({ host, policy }), { mode: 0o600 })
        renameSync(temporary, file)
      } catch {
        // It will be worked out again next time.
      }
    },
  }
}

function describeHost(): string {
  const { ino, ctimeMs } = statSync('/dev/kvm', { throwIfNoEntry: false }) ?? {}
  const { mtimeMs } = statSync(process.argv[1] ?? '/', { throwIfNoEntry: false }) ?? {}
  return [bootId(), ino, ctimeMs, mtimeMs].join(' ')
}
