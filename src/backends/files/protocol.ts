/**
 * 9P2000.L in numbers: what Linux's v9fs sends and expects. diod's protocol.md describes every message; size[4] type[1]
 * tag[2] begin each, and a reply has the number of its request plus one.
 */

export const VERSION = '9P2000.L'
/** Most that `mount -o msize=` may ask for: 128 KiB of data, so that reads and writes of that size are one message, and a page for what stands before them. */
export const MSIZE_MAX = 128 * 1024 + 4096
export const MSIZE_MIN = 4096

export const HEADER_BYTES = 7
/** size[4] Rread tag[2] count[4], then the data; an error takes as many. */
export const READ_HEADER_BYTES = 11
/** size[4] Twrite tag[2] fid[4] offset[8] count[4], then the data. */
export const WRITE_HEADER_BYTES = 23
/** Of any message but the data of a write: the longest is a walk by sixteen names. */
export const HEAD_MAX = 16 * 1024

export const NOTAG = 0xffff
export const NOFID = 0xffffffff
/** Names in one walk. */
export const WALK_MAX = 16
export const NAME_MAX = 255
export const TARGET_MAX = 4095

export const RLERROR = 7

export const T = {
  statfs: 8,
  lopen: 12,
  lcreate: 14,
  symlink: 16,
  mknod: 18,
  rename: 20,
  readlink: 22,
  getattr: 24,
  setattr: 26,
  xattrwalk: 30,
  xattrcreate: 32,
  readdir: 40,
  fsync: 50,
  lock: 52,
  getlock: 54,
  link: 70,
  mkdir: 72,
  renameat: 74,
  unlinkat: 76,
  version: 100,
  auth: 102,
  attach: 104,
  flush: 108,
  walk: 110,
  read: 116,
  write: 118,
  clunk: 120,
  remove: 122,
} as const

export type MessageName = keyof typeof T

/** qid.type */
export const QID = { file: 0x00, symlink: 0x02, directory: 0x80 } as const

/** Tgetattr: mode, nlink, uid, gid, rdev, atime, mtime, ctime, ino, size, blocks; there is nothing else to tell. */
export const GETATTR_BASIC = 0x7ffn

/** Tsetattr, `valid`. */
export const SETATTR = {
  mode: 0x001,
  uid: 0x002,
  gid: 0x004,
  size: 0x008,
  atime: 0x010,
  mtime: 0x020,
  ctime: 0x040,
  atimeSet: 0x080,
  mtimeSet: 0x100,
} as const

export const LOCK_SUCCESS = 0
export const LOCK_TYPE_UNLOCK = 2
/** `f_type` of a mounted share, as v9fs shows it. V9FS_MAGIC, <linux/magic.h> */
export const V9FS_MAGIC = 0x01021997
