/** `--disk`: images and block devices of the host as virtio-blk devices of one VM, in the order they were asked for. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { type AsyncFiles, openAsyncFiles } from '../backends/disk/async-files.ts'
import type { Disk } from '../backends/disk/disk.ts'
import { logFaults } from '../backends/disk/fault-log.ts'
import { refused } from '../backends/disk/image-file.ts'
import { foreignFormat } from '../backends/disk/image-format.ts'
import { openRawDisk, openThrowAwayDisk } from '../backends/disk/open-disk.ts'
import { openPersistentDisk } from '../backends/disk/persistent-overlay.ts'
import { virtioBlk } from '../devices/virtio-blk.ts'
import { inOwnState } from '../instance/own-state.ts'
import type { DiskSpec } from '../instance/run-spec.ts'
import { claimDirectory, stateRoots } from '../instance/state-root.ts'
import type { AttachContext, Attached } from './attach.ts'

export function attachDisks(
  specs: readonly DiskSpec[],
  { reactor, log, exchanged = false, ownFiles = [] }: AttachContext,
): Attached {
  const files = openAsyncFiles(reactor)
  const disks: Disk[] = []
  const close = () => {
    // Once: what is closed here may be another's soon after.
    for (const disk of disks.splice(0)) disk.close()
    files.close()
  }
  try {
    for (const spec of specs) {
      if (!ownFiles.includes(spec.path)) refuseOwnState(spec)
      disks.push(logFaults(openDisk(spec, files), spec.path, log))
      noteFormat(spec.base ?? spec.path, log)
    }
    const facts = specs.map((spec, index) => ({ ...spec, bytes: disks[index]!.bytes, engine: files.kind }))
    const inodes = specs.map(({ path }) => inodeOf(path))
    let closed = false
    return {
      devices: disks.map((disk, index) => virtioBlk(disk, specs[index]!.rate, { exchanged })),
      disks: specs.map((spec, index) => ({ spec, disk: disks[index]!, inode: inodes[index] })),
      commandLine: '',
      threads: files.threads,
      describe: () => ({
        disks: facts.map(({ path, ...rest }, index) => ({ device: guestName(index), path, ...rest })),
      }),
      close() {
        if (!closed) close()
        closed = true
      },
    }
  } catch (error) {
    close()
    throw error
  }
}

function openDisk({ path, readOnly, copyOnWrite, base }: DiskSpec, files: AsyncFiles): Disk {
  if (base !== undefined) return openPersistentDisk(path, base, files)
  if (!copyOnWrite) return openRawDisk(path, readOnly, files)
  const directory = join(stateRoots().data, 'overlays')
  claimDirectory(directory)
  return openThrowAwayDisk(path, directory, files)
}

/** Not refused: a raw disk may begin as its guest likes. */
function noteFormat(path: string, log: (line: string) => void): void {
  const format = foreignFormat(path)
  if (format !== undefined)
    log(
      `disk ${path}: this looks like ${format}, and the guest gets it byte for byte, header and all. ` +
        `For what is inside: qemu-img convert -f ${format} -O raw.`,
    )
}

/** Undefined when there is none of that name any more. */
export const inodeOf = (path: string): string | undefined => {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false })
  return status && `${status.dev}:${status.ino}`
}

/** A VM that could write our records could speak for any other. */
function refuseOwnState(spec: DiskSpec): void {
  for (const path of [spec.path, ...(spec.base === undefined ? [] : [spec.base])])
    if (inOwnState(path))
      throw refused(path, 'it is part of what Cloister keeps its own state in', 'Keep images elsewhere.')
}

/** As Linux and our guest kernel name them: the 27th is vdaa, but there are not as many slots. */
const guestName = (index: number): string => `/dev/vd${String.fromCharCode(0x61 + index)}`
