/** Entropy source: fills each buffer the driver offers with random bytes. virtio 1.2 §5.4 */
import type { RandomSource } from '../backends/random-source.ts'
import type { Chain } from '../virtio/chain.ts'
import { VIRTIO_ID, type VirtioDevice } from '../virtio/device.ts'

/**
 * Bytes for one request, however much it asks for. Random bytes are dear, and a request may name the whole of guest
 * memory; a driver takes what it gets and asks again (§5.4.6.1 asks for one byte or more).
 */
const MAX_REQUEST_BYTES = 64 * 1024

const noConfig = new Uint8Array(0)

export const virtioRng = (random: RandomSource): VirtioDevice => ({
  id: VIRTIO_ID.entropy,
  name: 'rng',
  features: 0n,
  config: noConfig,
  queues: [{ name: 'requestq', maxSize: 64 }],
  activate: () => {},
  onAvailable: (_index, requestq) => {
    for (let chain = requestq.next(); chain; chain = requestq.next()) chain.complete(fillWritable(chain, random))
  },
  reset: () => {},
  save: () => null,
  restore: () => {},
})

const fillWritable = (chain: Chain, random: RandomSource): number => {
  let done = 0
  for (const segment of chain.writable) {
    const part = segment.subarray(0, MAX_REQUEST_BYTES - done)
    random.fill(part)
    done += part.length
    if (done === MAX_REQUEST_BYTES) break
  }
  return done
}
