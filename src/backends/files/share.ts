/**
 * A directory of the host that a guest may see, and the only ways into it: by one name, from a directory that is open
 * already, through no symbolic link and no "..". Nothing here takes a path that a guest made.
 */
import {
  EACCES,
  EBUSY,
  EINVAL,
  ENOENT,
  EROFS,
  ESTALE,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  S_IFMT,
  S_IFREG,
} from '../../../kvm-bindings/constants.ts'
import { close, open } from '../../../kvm-bindings/ffi.ts'
import {
  type CName,
  cName,
  type FileStat,
  openAt,
  openBeneath,
  readlinkAt,
  statfsOf,
  statOf,
} from '../../../kvm-bindings/file-tree.ts'
import { isKernelFileSystem } from './kernel-file-systems.ts'
import { type Owners, ownersFor } from './owners.ts'
import { granted, Refusal } from './refusal.ts'

export interface ShareOptions {
  readonly path: string
  readonly readOnly: boolean
  /** Nothing of the directory is there but this regular file. */
  readonly only?: string
  /** Whom this process acts for; itself unless said. */
  readonly owners?: Owners
}

/** Bytes of a file's path below the share; empty for the share itself. */
export type InnerPath = Uint8Array

const ENTRY = O_PATH | O_NOFOLLOW
const SLASH = 0x2f

export class Share {
  readonly root: number
  readonly readOnly: boolean
  readonly owners: Owners
  readonly only: Buffer | undefined
  readonly rootStat: FileStat
  /** Magic number of the file system that the directory is on. */
  readonly fileSystem: bigint
  /** /proc/self/fd: how a descriptor that only names a file becomes one that opens it. */
  readonly #proc: number
  /** Of file systems that have been found harmless. */
  readonly #devices = new Set<bigint>()

  /** @throws SyscallError when the directory cannot be opened, Refusal when it is a window into the kernel */
  constructor({ path, readOnly, only, owners }: ShareOptions) {
    this.readOnly = readOnly
    this.only = only === undefined ? undefined : Buffer.from(only)
    this.owners = owners ?? ownersFor(process.geteuid?.() ?? 0, process.getegid?.() ?? 0)
    this.root = open(path, O_PATH | O_DIRECTORY)
    let proc: number | undefined
    try {
      proc = open('/proc/self/fd', O_PATH | O_DIRECTORY)
      this.#proc = proc
      this.fileSystem = granted(statfsOf(this.root)).f_type
      this.rootStat = this.#checked(this.root)
      // Also shows whether the kernel has openat2(2).
      close(granted(openBeneath(this.root, cName('.'), ENTRY)))
    } catch (error) {
      if (proc !== undefined) close(proc)
      close(this.root)
      throw error
    }
  }

  /** A descriptor that names the entry, whatever kind of file it is. @throws Refusal */
  enter(directory: number, name: CName, fromRoot: boolean): { fd: number; stat: FileStat } {
    const single = fromRoot && this.only !== undefined
    if (single && !this.only!.equals(name.subarray(0, -1))) throw new Refusal(ENOENT)
    const fd = granted(openBeneath(directory, name, ENTRY))
    try {
      const stat = this.#checked(fd)
      if (single && (stat.st_mode & S_IFMT) !== S_IFREG) throw new Refusal(ENOENT)
      return { fd, stat }
    } catch (error) {
      close(fd)
      throw error
    }
  }

  /** A new descriptor of the same file, which may have no name any more. @throws Refusal */
  reopen(fd: number, flags: number): number {
    return granted(openAt(this.#proc, cName(String(fd)), flags))
  }

  /** A call on what the descriptor is of, for those calls that take none that only names a file. @throws Refusal */
  by(fd: number, call: (directory: number, name: CName) => number): void {
    granted(call(this.#proc, cName(String(fd))))
  }

  /** Where below the share a file is at the moment. @throws Refusal when it has no name, or none in here */
  locate(fd: number): InnerPath {
    const [root, path] = [this.root, fd].map((one) => granted(readlinkAt(this.#proc, cName(String(one)))))
    const base = root!.length === 1 && root![0] === SLASH ? 0 : root!.length
    const inside = Buffer.compare(path!.subarray(0, base), root!.subarray(0, base)) === 0
    if (inside && path!.length === root!.length) return new Uint8Array(0)
    // What the kernel writes behind the path of a removed file is not part of it; the caller looks whether it is there.
    if (!inside || path![base] !== SLASH) throw new Refusal(ESTALE)
    return path!.subarray(base + 1)
  }

  /** The directory of an inner path, to be closed by the caller, and the last name. @throws Refusal */
  parentOf(path: InnerPath): { directory: number; name: CName; isRoot: boolean } {
    const slash = path.lastIndexOf(SLASH)
    if (path.length === 0) throw new Refusal(EBUSY)
    const directory = slash === -1 ? '.' : path.subarray(0, slash)
    return {
      directory: granted(openBeneath(this.root, cName(directory), O_PATH | O_DIRECTORY)),
      name: cName(path.subarray(slash + 1)),
      isRoot: slash === -1,
    }
  }

  /** Before anything is changed. @param inRoot it is the shared directory itself, or an entry of it @throws Refusal */
  change(inRoot: boolean): void {
    if (this.readOnly) throw new Refusal(EROFS)
    // Around a single file there is nothing for the guest; a rename over it is what a bind mount would refuse too.
    if (inRoot && this.only !== undefined) throw new Refusal(EBUSY)
  }

  close(): void {
    close(this.#proc)
    close(this.root)
  }

  #checked(fd: number): FileStat {
    const stat = granted(statOf(fd))
    if (!this.#devices.has(stat.st_dev)) {
      if (isKernelFileSystem(granted(statfsOf(fd)).f_type)) throw new Refusal(EACCES)
      this.#devices.add(stat.st_dev)
    }
    return stat
  }
}

/** @throws Refusal for what is no name of one entry */
export function entryName(bytes: Uint8Array): CName {
  const dots = bytes.length <= 2 && bytes.every((byte) => byte === 0x2e)
  // Of "." and ".." no client of Linux asks: it knows where it is. The empty name is among them.
  if (dots || bytes.includes(0) || bytes.includes(SLASH)) throw new Refusal(EINVAL)
  return cName(bytes)
}
