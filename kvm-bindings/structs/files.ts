/** What the kernel says about files and file systems, as it lays it out on x86-64. */
import { bytes, s64, struct, u32, u64 } from '../layout.ts'

/** clock_gettime(3type) */
export const timespec = struct('timespec', { size: 16 }, { tv_sec: s64, tv_nsec: s64 })

/** stat(3type); the kernel's own and that of the C library are the same. */
export const stat = struct(
  'stat',
  { size: 144 },
  {
    st_dev: u64,
    st_ino: u64,
    st_nlink: u64,
    st_mode: u32,
    st_uid: u32,
    st_gid: u32,
    __pad0: u32,
    st_rdev: u64,
    st_size: s64,
    st_blksize: s64,
    st_blocks: s64,
    st_atim: timespec,
    st_mtim: timespec,
    st_ctim: timespec,
    __glibc_reserved: bytes(24),
  },
)

/** statfs(2) */
export const statfs = struct(
  'statfs',
  { size: 120 },
  {
    f_type: s64,
    f_bsize: s64,
    f_blocks: u64,
    f_bfree: u64,
    f_bavail: u64,
    f_files: u64,
    f_ffree: u64,
    f_fsid: bytes(8),
    f_namelen: s64,
    f_frsize: s64,
    f_flags: s64,
    f_spare: bytes(32),
  },
)

/** openat2(2) */
export const openHow = struct('open_how', { size: 24 }, { flags: u64, mode: u64, resolve: u64 })
