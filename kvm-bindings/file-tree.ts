/**
 * Files by descriptor of a directory and one name, never by path: openat2(2), fstatat(2) and their kin.
 *
 * A name is bytes with a zero at its end. A call gives its result, or minus errno, which is an answer here.
 */
import {
  AT_EMPTY_PATH,
  EINTR,
  O_CLOEXEC,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  SYS_getdents64,
  SYS_newfstatat,
  SYS_openat2,
} from './constants.ts'
import { cFunction, lastErrno } from './ffi.ts'
import { openHow, stat, statfs, timespec } from './structs/files.ts'

/** Bytes of a path or a name, with a zero at the end. */
export type CName = Uint8Array

export const cName = (text: string | Uint8Array): CName => {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  const name = new Uint8Array(bytes.length + 1)
  name.set(bytes)
  return name
}

const NO_NAME = cName('')

const cOpenat2 = cFunction('syscall', 'long', ['long', 'int', 'void *', 'void *', 'size_t'])
const cFstatat = cFunction('syscall', 'long', ['long', 'int', 'void *', 'void *', 'int'])
const cGetdents = cFunction('syscall', 'long', ['long', 'int', 'void *', 'size_t'])
const cOpenat = cFunction('openat', 'int', ['int', 'void *', 'int', 'uint'])
const cMkdirat = cFunction('mkdirat', 'int', ['int', 'void *', 'uint'])
const cUnlinkat = cFunction('unlinkat', 'int', ['int', 'void *', 'int'])
const cSymlinkat = cFunction('symlinkat', 'int', ['void *', 'int', 'void *'])
const cLinkat = cFunction('linkat', 'int', ['int', 'void *', 'int', 'void *', 'int'])
const cRenameat = cFunction('renameat', 'int', ['int', 'void *', 'int', 'void *'])
const cReadlinkat = cFunction('readlinkat', 'int64', ['int', 'void *', 'void *', 'size_t'])
const cFchmodat = cFunction('fchmodat', 'int', ['int', 'void *', 'uint', 'int'])
const cFchownat = cFunction('fchownat', 'int', ['int', 'void *', 'uint', 'uint', 'int'])
const cUtimensat = cFunction('utimensat', 'int', ['int', 'void *', 'void *', 'int'])
const cFtruncate = cFunction('ftruncate', 'int', ['int', 'int64'])
const cFstatfs = cFunction('fstatfs', 'int', ['int', 'void *'])
const cLseek = cFunction('lseek', 'int64', ['int', 'int64', 'int'])
const cFsync = cFunction('fsync', 'int', ['int'])

/**
 * Opens what the name leads to without leaving the directory: through no symbolic link, and not by way of "..". With
 * O_PATH | O_NOFOLLOW a link itself is opened.
 */
export function openBeneath(directory: number, name: CName, flags: number, mode = 0): number {
  const how = openHow.encode({ flags: BigInt(flags | O_CLOEXEC), mode: BigInt(mode), resolve: BigInt(RESOLVE) })
  return answer(() => cOpenat2()(SYS_openat2, directory, name, how, how.length))
}

const RESOLVE = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS

/** Follows whatever the name is: for names that no guest chose. */
export const openAt = (directory: number, name: CName, flags: number): number =>
  answer(() => cOpenat()(directory, name, flags | O_CLOEXEC, 0))

/** One after the other uses it: each reads what it needs before the next call. */
const statBytes = new Uint8Array(stat.size)

/** What an open descriptor is of, an O_PATH one too. */
export function statOf(fd: number): FileStat | number {
  return statAt(fd, NO_NAME, AT_EMPTY_PATH)
}

export function statAt(directory: number, name: CName, flags: number): FileStat | number {
  const result = answer(() => cFstatat()(SYS_newfstatat, directory, name, statBytes, flags))
  return result < 0 ? result : stat.decode(statBytes)
}

export type FileStat = ReturnType<typeof stat.decode>

export function statfsOf(fd: number): ReturnType<typeof statfs.decode> | number {
  const bytes = new Uint8Array(statfs.size)
  const result = answer(() => cFstatfs()(fd, bytes))
  return result < 0 ? result : statfs.decode(bytes)
}

/** Fills the array with `struct linux_dirent64`s. @returns the bytes filled, 0 at the end. getdents(2) */
export const getdents = (fd: number, into: Uint8Array): number =>
  answer(() => cGetdents()(SYS_getdents64, fd, into, into.length))

/** To a place that a directory entry named. @returns 0 */
export const seekTo = (fd: number, offset: bigint): number =>
  Math.min(
    0,
    answer(() => cLseek()(fd, offset, 0)),
  )

export const mkdirAt = (directory: number, name: CName, mode: number): number =>
  answer(() => cMkdirat()(directory, name, mode))

export const unlinkAt = (directory: number, name: CName, flags: number): number =>
  answer(() => cUnlinkat()(directory, name, flags))

export const symlinkAt = (target: CName, directory: number, name: CName): number =>
  answer(() => cSymlinkat()(target, directory, name))

export const linkAt = (from: number, name: CName, to: number, newName: CName, flags: number): number =>
  answer(() => cLinkat()(from, name, to, newName, flags))

export const renameAt = (from: number, name: CName, to: number, newName: CName): number =>
  answer(() => cRenameat()(from, name, to, newName))

const PATH_MAX = 4096

/** The target, or minus errno. With no name of the symbolic link that is open itself (O_PATH). */
export function readlinkAt(directory: number, name: CName = NO_NAME): Uint8Array | number {
  const into = new Uint8Array(PATH_MAX)
  const length = answer(() => cReadlinkat()(directory, name, into, into.length))
  return length < 0 ? length : into.slice(0, length)
}

export const chmodAt = (directory: number, name: CName, mode: number): number =>
  answer(() => cFchmodat()(directory, name, mode, 0))

/** Of what is open; 0xffffffff leaves one of them as it is. */
export const chownOf = (fd: number, uid: number, gid: number): number =>
  answer(() => cFchownat()(fd, NO_NAME, uid, gid, AT_EMPTY_PATH))

export interface FileTime {
  readonly seconds: bigint
  /** Or UTIME_NOW, UTIME_OMIT. */
  readonly nanoseconds: bigint
}

export function utimesAt(directory: number, name: CName, accessed: FileTime, modified: FileTime): number {
  const times = new Uint8Array(2 * timespec.size)
  for (const [index, { seconds, nanoseconds }] of [accessed, modified].entries())
    times.set(timespec.encode({ tv_sec: seconds, tv_nsec: nanoseconds }), index * timespec.size)
  return answer(() => cUtimensat()(directory, name, times, 0))
}

export const truncateTo = (fd: number, size: number): number => answer(() => cFtruncate()(fd, size))

/** On a thread of libuv's pool; 0 or minus errno. */
export const fsyncAsync = (fd: number, done: (result: number) => void): void =>
  cFsync().async(fd, (_: unknown, result: number) => done(result < 0 ? -lastErrno() : 0))

function answer(call: () => number): number {
  for (;;) {
    const result = Number(call())
    if (result >= 0) return result
    const errno = lastErrno()
    if (errno !== EINTR) return -errno
  }
}
