/** Whether /dev/kvm can create a VM here. A file without ava: scripts/test.js asks as well. */
import { KvmSystem } from '../../kvm-bindings/kvm.ts'

export const whyNoKvm = ((): string | undefined => {
  try {
    using kvm = KvmSystem.open()
    kvm.createVm().close()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
})()
