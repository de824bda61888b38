/** `--disk`: raw images of the host as virtio-blk devices of one VM. */
import { UsageError } from '../errors.ts'
import type { DiskSpec } from '../instance/run-spec.ts'
import type { AttachContext, Attached } from './attach.ts'

export function attachDisks(disks: readonly DiskSpec[], _context: AttachContext): Attached {
  throw new UsageError(`Cannot attach ${disks[0]!.path}: not yet.`)
}
