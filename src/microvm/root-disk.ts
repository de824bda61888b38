/** The root image as a virtio-blk device. The guest knows it by its serial number, wherever it comes up. */
import { openAsyncFiles } from '../backends/disk/async-files.ts'
import { logFaults } from '../backends/disk/fault-log.ts'
import { FileIo } from '../backends/disk/file-io.ts'
import { openImage } from '../backends/disk/image-file.ts'
import { createRawDisk } from '../backends/disk/raw-disk.ts'
import { virtioBlk } from '../devices/virtio-blk.ts'
import type { AttachContext, Attached } from '../vmm/attach.ts'

export const ROOT_SERIAL = 'cloister-root'

export interface RootDisk extends Attached {
  readonly bytes: number
  /** Of the image, until it is closed. */
  readonly fd: number
}

/** @throws HostError, UsageError */
export function attachRootDisk(path: string, { reactor, log, exchanged = false }: AttachContext): RootDisk {
  const image = openImage(path, 'read')
  const files = openAsyncFiles(reactor)
  const io = new FileIo({ fd: image.fd, files })
  const { bytes } = image
  const disk = logFaults(createRawDisk({ io, bytes, readOnly: true, id: ROOT_SERIAL, release: image.close }), path, log)
  let closed = false
  return {
    bytes,
    fd: image.fd,
    devices: [virtioBlk(disk, undefined, { exchanged })],
    commandLine: '',
    threads: files.threads,
    describe: () => ({ rootImage: { path, bytes } }),
    close() {
      if (closed) return
      closed = true
      disk.close()
      files.close()
    },
  }
}
