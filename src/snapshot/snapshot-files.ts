/** The files of a snapshot's directory, opened so that nothing in it leads elsewhere or makes anybody wait. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { HostError, pathFault } from '../errors.ts'
import type { Json } from '../virtio/saved-state.ts'
import { sha256 } from './chunk-digests.ts'
import { damagedHint, type FileFacts } from './manifest.ts'

export interface OpenFile {
  readonly fd: number
  readonly bytes: number
  /** Another one, or the same changed, has another. The time of change comes last. */
  readonly stamp: string
}

/** A directory of a snapshot, and the words for it. */
export class SnapshotFiles {
  readonly directory: string
  /** "the snapshot NAME" */
  readonly what: string

  constructor(directory: string, what: string) {
    this.directory = directory
    this.what = what
  }

  /** A regular file in it, never a link out of it; a FIFO is not waited for. */
  open(name: string): OpenFile {
    let fd: number
    try {
      fd = openSync(join(this.directory, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    } catch (cause) {
      const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
      throw this.refusal(missing ? `there is no ${name} in it` : `its ${name}: ${pathFault(cause)}`, cause)
    }
    const stat = fstatSync(fd, { bigint: true })
    if (stat.isFile()) {
      const { dev, ino, size, mtimeNs, ctimeNs } = stat
      return { fd, bytes: Number(size), stamp: [dev, ino, size, mtimeNs, ctimeNs].join(' ') }
    }
    closeSync(fd)
    throw this.refusal(`its ${name} is not a regular file`)
  }

  /** One whose size is known; closed with the others. */
  openSized(name: string, bytes: number, closers: (() => void)[]): OpenFile {
    const file = this.open(name)
    closers.push(() => closeSync(file.fd))
    if (file.bytes === bytes) return file
    throw this.refusal(`its ${name} has ${file.bytes} bytes where ${bytes} were written`)
  }

  read(name: string, max: number): Buffer {
    const file = this.open(name)
    try {
      return this.readOpen(file, name, max)
    } finally {
      closeSync(file.fd)
    }
  }

  readOpen({ fd, bytes: size }: OpenFile, name: string, max: number): Buffer {
    if (size > max) throw this.refusal(`its ${name} is larger than any that was ever written`)
    const bytes = Buffer.allocUnsafe(size)
    let done = 0
    try {
      for (let got = 1; done < size && got > 0; done += got) got = readSync(fd, bytes, done, size - done, done)
    } catch (cause) {
      throw this.refusal(`its ${name}: ${pathFault(cause)}`, cause)
    }
    return bytes.subarray(0, done)
  }

  /** The same of a file whose size and digest are known. */
  readExactly(name: string, { bytes, sha256: digest }: FileFacts, max: number): Buffer {
    if (bytes > max) throw this.refusal(`its ${name} is larger than any that was ever written`)
    const read = this.read(name, max)
    if (read.length !== bytes) throw this.refusal(`its ${name} has ${read.length} bytes where ${bytes} were written`)
    if (sha256(read) !== digest) throw this.refusal(`its ${name} is not what was written`)
    return read
  }

  parse(name: string, bytes: Buffer): Json {
    try {
      return JSON.parse(bytes.toString('utf8')) as Json
    } catch (cause) {
      throw this.refusal(`its ${name} is no JSON`, cause)
    }
  }

  refusal(reason: string, cause?: unknown): HostError {
    return new HostError(`Cannot use ${this.what}: ${reason}.`, { hint: damagedHint, cause })
  }
}
