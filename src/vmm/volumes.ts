/** `-v`: directories of the host as virtio-9p devices of one VM, each with a tag by which its guest mounts it. */
import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { ENOSYS } from '../../kvm-bindings/constants.ts'
import { openAsyncFiles } from '../backends/disk/async-files.ts'
import type { FileServer } from '../backends/files/file-server.ts'
import { remoteFileSystem } from '../backends/files/kernel-file-systems.ts'
import { createLocalFiles } from '../backends/files/local-files.ts'
import { MSIZE_MAX } from '../backends/files/protocol.ts'
import { Refusal } from '../backends/files/refusal.ts'
import { Share } from '../backends/files/share.ts'
import { virtio9p } from '../devices/virtio-9p.ts'
import { HostError, pathFault } from '../errors.ts'
import { parseOpenFilesMax } from '../host/process-status.ts'
import type { VolumeSpec } from '../instance/run-spec.ts'
import { checkVolumeSource, refusedVolume, type VolumeKind } from '../instance/volume-source.ts'
import type { AttachContext, Attached } from './attach.ts'

/** What the agent needs to know of a share. */
export interface ShareMount {
  readonly tag: string
  readonly target: string
  readonly readOnly: boolean
  /** Mount options of v9fs beside the transport and the protocol. */
  readonly options: string
  /** The only entry of the share, which belongs at the target instead of the share itself. */
  readonly file?: string
}

/** Nothing is kept that the host may change; `mmap` keeps the pages of mapped files, which could not be written otherwise. */
const MOUNT_OPTIONS = `msize=${MSIZE_MAX},cache=mmap,access=client`

/** A guest that keeps many files in hand is not refused before this. */
const FIDS_MAX = 16_384
/** What the rest of this process needs of its descriptors. */
const RESERVED_DESCRIPTORS = 512

export interface AttachedVolumes extends Attached {
  readonly shares: readonly ShareMount[]
}

export function attachVolumes(volumes: readonly VolumeSpec[], { reactor, log }: AttachContext): AttachedVolumes {
  const servers: FileServer[] = []
  const shares: ShareMount[] = []
  const close = () => {
    // Once: what is closed here may be another's soon after.
    for (const server of servers.splice(0)) server.close()
  }
  try {
    for (const [index, volume] of volumes.entries()) {
      const kind = checkVolumeSource(volume)
      // The name of a link is not that of its file.
      const real = { ...volume, source: realpathSync(volume.source) }
      const share = openShare(real, kind)
      noteRemote(volume, share, log)
      servers.push(serve(share, { volume, reactor, maxFids: fidsFor(volumes.length), log }))
      shares.push(mountOf(real, index, kind))
    }
    const threads = servers.reduce((sum, server) => sum + server.threads, 0)
    return {
      shares,
      devices: servers.map((server, index) => virtio9p({ tag: shares[index]!.tag, server })),
      commandLine: '',
      threads,
      describe: () => ({ volumes: volumes.map((volume, index) => ({ ...volume, tag: shares[index]!.tag })) }),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

const mountOf = ({ source, target, readOnly }: VolumeSpec, index: number, kind: VolumeKind): ShareMount => ({
  tag: `cloister${index}`,
  target,
  readOnly,
  options: MOUNT_OPTIONS,
  ...(kind === 'file' && { file: basename(source) }),
})

function openShare({ source, readOnly }: VolumeSpec, kind: VolumeKind): Share {
  try {
    return kind === 'directory'
      ? new Share({ path: source, readOnly })
      : new Share({ path: dirname(source), readOnly, only: basename(source) })
  } catch (cause) {
    if (cause instanceof Refusal) {
      const kernel = cause.errno === ENOSYS ? 'this kernel has no openat2, it is older than Linux 5.6' : undefined
      throw refusedVolume(source, kernel ?? 'its files are windows into the kernel of the host', undefined, cause)
    }
    throw new HostError(`Cannot share ${source}: ${pathFault(cause)}.`, { cause })
  }
}

interface ServeOptions extends Pick<AttachContext, 'reactor' | 'log'> {
  readonly volume: VolumeSpec
  readonly maxFids: number
}

function serve(share: Share, { volume, reactor, maxFids, log }: ServeOptions): FileServer {
  try {
    const files = openAsyncFiles(reactor)
    return createLocalFiles({ share, files, maxFids, log: (line) => log(`volume ${volume.source}: ${line}`) })
  } catch (error) {
    share.close()
    throw error
  }
}

/** Each file in a guest's hand is a descriptor here, and one guest must not use up what all devices of its VM need. */
export function fidsFor(shares: number, limits = readFileSync('/proc/self/limits', 'utf8')): number {
  const room = Math.max(parseOpenFilesMax(limits) - RESERVED_DESCRIPTORS, RESERVED_DESCRIPTORS)
  return Math.min(FIDS_MAX, Math.floor(room / shares))
}

/** Names are looked up on the main loop, which is microseconds where the host has its files itself. */
function noteRemote({ source }: VolumeSpec, share: Share, log: (line: string) => void): void {
  const remote = remoteFileSystem(share.fileSystem)
  if (remote === undefined) return
  log(`volume ${source}: it is on ${remote}, and while that does not answer, the guest's devices stand still`)
}
