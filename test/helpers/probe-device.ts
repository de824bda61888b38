/** A virtio device that keeps every chain it is given, for tests of the queue and the transport alone. */
import type { Chain } from '../../src/virtio/chain.ts'
import type { DeviceHost, VirtioDevice } from '../../src/virtio/device.ts'
import type { RateLimit } from '../../src/virtio/rate-limiter.ts'

export interface ProbeDevice extends VirtioDevice {
  /** Chains taken and not completed by the test yet. */
  readonly chains: Chain[]
  readonly calls: string[]
  host: DeviceHost | undefined
  /** Instead of keeping them. */
  onChain?: (chain: Chain, queueIndex: number) => void
}

export interface ProbeOptions {
  readonly queueCount?: number
  readonly maxSize?: number
  readonly features?: bigint
  readonly config?: Uint8Array
  readonly maxChainBytes?: number
  readonly turnBytes?: number
  readonly rate?: RateLimit
}

export const createProbeDevice = (options: ProbeOptions = {}): ProbeDevice => {
  const { queueCount = 1, maxSize = 64, features = 0n, config = new Uint8Array(0), ...limits } = options
  const probe: ProbeDevice = {
    id: 42,
    name: 'probe',
    features,
    config,
    queues: Array.from({ length: queueCount }, (_, index) => ({ name: `q${index}`, maxSize, ...limits })),
    chains: [],
    calls: [],
    host: undefined,
    activate: (host) => {
      probe.host = host
      probe.calls.push('activate')
    },
    onAvailable: (index, queue) => {
      probe.calls.push(`onAvailable ${index}`)
      for (let chain = queue.next(); chain; chain = queue.next()) {
        if (probe.onChain) probe.onChain(chain, index)
        else probe.chains.push(chain)
      }
    },
    halted: () => {
      probe.calls.push('halted')
    },
    reset: () => {
      probe.calls.push('reset')
    },
    save: () => ({ probe: true }),
    restore: () => {
      probe.calls.push('restore')
    },
  }
  return probe
}
