/** Where virtio-rng gets its entropy. */
import { getrandom } from '../../kvm-bindings/ffi.ts'

export interface RandomSource {
  /** Fills all of it. */
  fill(bytes: Uint8Array): void
}

/** The host kernel's generator, straight into the guest's buffer; node:crypto would cost 5 ms of a cold start. */
export const hostRandom: RandomSource = { fill: getrandom }
