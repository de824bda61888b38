/** What a kernel of the user's own finds here that ours does without: vCPUs, a clock that forgives pauses, timers. */
import { CAP, type CapabilityName } from '../../kvm-bindings/capabilities.ts'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import { type Finding, fail, pass, warn } from './check.ts'

/** And what a stock kernel does without it. */
const TIME: readonly { readonly capability: CapabilityName; readonly what: string; readonly lack: string }[] = [
  {
    capability: 'KVM_CAP_ADJUST_CLOCK',
    what: 'kvm-clock',
    lack: 'no clock that a snapshot could take along',
  },
  {
    capability: 'KVM_CAP_KVMCLOCK_CTRL',
    what: 'told of pauses',
    lack: 'its watchdogs take a pause for a lockup',
  },
  {
    capability: 'KVM_CAP_TSC_DEADLINE_TIMER',
    what: 'TSC deadline timer',
    lack: 'it calibrates its local APIC timer first',
  },
  {
    capability: 'KVM_CAP_PIT2',
    what: 'interval timer',
    lack: 'nothing to calibrate by',
  },
]

export function examineGuestKernels(): Finding {
  let kvm: KvmSystem
  try {
    kvm = KvmSystem.open()
  } catch (error) {
    return fail((error as Error).message, 'Mend the KVM device first.')
  }
  try {
    return judge((name) => kvm.checkExtension(CAP[name]))
  } finally {
    kvm.close()
  }
}

/** @param ask KVM_CHECK_EXTENSION */
export function judge(ask: (name: CapabilityName) => number): Finding {
  // api.rst KVM_CREATE_VCPU: without a word about the most there may be, it is the number recommended.
  const most = ask('KVM_CAP_MAX_VCPUS') || ask('KVM_CAP_NR_VCPUS')
  const there = TIME.filter(({ capability }) => ask(capability) > 0)
  const missing = TIME.filter((row) => !there.includes(row))
  const words = [`up to ${most} vCPUs`, ...there.map(({ what }) => what)].join(', ')
  const facts = { maxVcpus: most, missing: missing.map(({ capability }) => capability) }
  if (missing.length === 0) return pass(words, facts)
  return warn(words, `A stock Linux has here: ${missing.map(({ lack }) => lack).join('; ')}.`, facts)
}
