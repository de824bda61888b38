/** `--net`: a tap of the host as the virtio-net device of one VM. */
import { UsageError } from '../errors.ts'
import type { NetworkSpec } from '../instance/run-spec.ts'
import type { AttachContext, Attached } from './attach.ts'

export function attachNetwork(network: NetworkSpec, instance: string, _context: AttachContext): Attached {
  throw new UsageError(`Cannot attach ${instance} to ${network.kind}: not yet.`)
}
