/** From what was asked for to a disk: a raw one, or one that keeps its writes apart from a base. */
import { randomBytes } from 'node:crypto'
import { ftruncateSync, openSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { close } from '../../../kvm-bindings/ffi.ts'
import { HostError, pathFault } from '../../errors.ts'
import type { AsyncFiles } from './async-files.ts'
import { BlockMap } from './block-map.ts'
import type { Disk } from './disk.ts'
import { FileIo } from './file-io.ts'
import { openImage } from './image-file.ts'
import { createOverlayDisk } from './overlay-disk.ts'
import { createRawDisk } from './raw-disk.ts'

/** @throws UsageError, HostError */
export function openRawDisk(path: string, readOnly: boolean, files: AsyncFiles): Disk {
  const image = openImage(path, readOnly ? 'read' : 'write')
  const io = new FileIo({ fd: image.fd, files })
  return createRawDisk({ io, bytes: image.bytes, readOnly, id: serialOf(path), release: image.close })
}

/**
 * Writes go to a file without a name, which the kernel removes with the last of its descriptors, whatever ends us.
 * Nobody can want it back, so a flush has nothing to do.
 * @param directory where the file takes its space
 */
export function openThrowAwayDisk(path: string, directory: string, files: AsyncFiles): Disk {
  const base = openRawDisk(path, true, files)
  try {
    const fd = namelessFile(directory, base.bytes)
    const io = new FileIo({ fd, files })
    const top = createRawDisk({ io, bytes: base.bytes, readOnly: false, id: base.id, release: () => close(fd) })
    const release = () => {
      top.close()
      base.close()
    }
    return createOverlayDisk({ base, top, map: new BlockMap(), flush: (done) => done(0), release })
  } catch (error) {
    base.close()
    throw error
  }
}

function namelessFile(directory: string, bytes: number): number {
  const path = join(directory, `overlay-${randomBytes(8).toString('hex')}`)
  let fd: number | undefined
  try {
    fd = openSync(path, 'wx+', 0o600)
    rmSync(path)
    ftruncateSync(fd, bytes)
    return fd
  } catch (cause) {
    if (fd !== undefined) close(fd)
    throw new HostError(`Cannot keep a disk's writes in ${directory}: ${pathFault(cause)}.`, { cause })
  }
}

/** What udev makes /dev/disk/by-id/virtio-... of. */
export const serialOf = (path: string): string =>
  basename(path)
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .slice(0, 20)
