/** Where virtio-rng gets its entropy. */
import { randomFillSync } from 'node:crypto'

export interface RandomSource {
  /** Fills all of it. */
  fill(bytes: Uint8Array): void
}

/** The host's cryptographic generator. */
export const cryptoRandom: RandomSource = {
  fill: (bytes) => {
    randomFillSync(bytes)
  },
}
