/** What stands behind /dev/kvm. */
import { existsSync } from 'node:fs'

/** The modules that can be behind it, and what they stand on. */
const BACKENDS = [
  { module: 'kvm_intel', words: 'kvm_intel: Intel VMX', hardware: true },
  { module: 'kvm_amd', words: 'kvm_amd: AMD SVM', hardware: true },
  { module: 'kvm_pvm', words: 'kvm_pvm: software, a pagetable-based VM without VMX or SVM', hardware: false },
] as const

export interface KvmBackend {
  readonly module: string
  readonly words: string
  readonly hardware: boolean
}

/** By the module loaded; undefined when KVM is built in or hides behind a name we do not know. */
export const kvmBackend = (sysModule = '/sys/module'): KvmBackend | undefined =>
  BACKENDS.find(({ module }) => existsSync(`${sysModule}/${module}`))
