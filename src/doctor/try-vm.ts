/** Makes a virtual machine and lets it go again: the only proof that this host can. */
import { CAP, type CapabilityName } from '../../kvm-bindings/capabilities.ts'
import { KVM_API_VERSION, KvmSystem } from '../../kvm-bindings/kvm.ts'

/** What the machine is built on (src/machine); api.rst, "Capability" of each request. */
const NEEDED: readonly CapabilityName[] = [
  'KVM_CAP_USER_MEMORY',
  'KVM_CAP_IRQCHIP',
  'KVM_CAP_IRQFD',
  'KVM_CAP_IOEVENTFD',
  'KVM_CAP_IMMEDIATE_EXIT',
  'KVM_CAP_SET_TSS_ADDR',
  'KVM_CAP_EXT_CPUID',
]

export interface VmTrial {
  readonly error?: string
  readonly apiVersion: number
  readonly milliseconds: number
  readonly capabilities: ReadonlyMap<CapabilityName, number>
}

export function tryVm(device = '/dev/kvm'): VmTrial {
  const capabilities = new Map<CapabilityName, number>()
  let apiVersion = 0
  const failed = (error: string): VmTrial => ({ error, apiVersion, milliseconds: 0, capabilities })
  let kvm: KvmSystem
  try {
    kvm = KvmSystem.open(device)
  } catch (error) {
    return failed((error as Error).message)
  }
  try {
    apiVersion = kvm.apiVersion()
    if (apiVersion !== KVM_API_VERSION)
      return failed(`KVM speaks version ${apiVersion} of its API, not ${KVM_API_VERSION}`)
    for (const name of NEEDED) capabilities.set(name, kvm.checkExtension(CAP[name]))
    const before = performance.now()
    kvm.createVm().close()
    return { apiVersion, milliseconds: performance.now() - before, capabilities }
  } catch (error) {
    return failed((error as Error).message)
  } finally {
    kvm.close()
  }
}

export const missingCapabilities = (capabilities: ReadonlyMap<CapabilityName, number>): CapabilityName[] =>
  NEEDED.filter((name) => (capabilities.get(name) ?? 0) <= 0)
