/* What a file is: stat, statx, statfs and access. */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/fcntl.h>
#include <linux/magic.h>

#include "data.h"
#include "fd.h"
#include "memory.h"
#include "window.h"
#include "path.h"
#include "proc.h"
#include "syscall.h"

#define TREE_DEVICE 0x1u /* st_dev of every file: one tree, one device */
#define BLOCK_BYTES 512u

static uint64_t size_of(const struct inode *inode) {
  return inode->ops == &regular_ops || (inode_is(inode, S_IFLNK) && !inode->follow) ? inode->data.size : 0;
}

/* Times before 1970 count down in seconds and up in nanoseconds. */
static uint32_t nanoseconds_of(int64_t ns) {
  int64_t rest = ns % (int64_t)NS_PER_SECOND;
  return (uint32_t)(rest < 0 ? rest + (int64_t)NS_PER_SECOND : rest);
}

static int64_t seconds_of(int64_t ns) { return ns / (int64_t)NS_PER_SECOND - (ns % (int64_t)NS_PER_SECOND < 0); }

static struct stat stat_of(const struct inode *inode) {
  uint64_t size = size_of(inode);
  return (struct stat){
    .st_dev = TREE_DEVICE,
    .st_ino = inode->number,
    .st_nlink = inode->links ? inode->links : inode->ops == &stream_ops,
    .st_mode = inode->mode,
    .st_uid = inode->uid,
    .st_gid = inode->gid,
    .st_rdev = inode->device,
    .st_size = (long)size,
    .st_blksize = (long)PAGE_BYTES,
    .st_blocks = inode->ops == &regular_ops ? (long)(PAGES_OF(data_resident(inode)) * (PAGE_BYTES / BLOCK_BYTES)) : 0,
    .st_atime = (uint64_t)seconds_of(inode->atime),
    .st_atime_nsec = nanoseconds_of(inode->atime),
    .st_mtime = (uint64_t)seconds_of(inode->mtime),
    .st_mtime_nsec = nanoseconds_of(inode->mtime),
    .st_ctime = (uint64_t)seconds_of(inode->ctime),
    .st_ctime_nsec = nanoseconds_of(inode->ctime),
  };
}

static int64_t stat_at(int fd, uint64_t path, unsigned flags, uint64_t result) {
  struct inode *inode;
  int error = path_inode_at(fd, path, flags, &inode);
  if (error) return error;
  struct stat stat = stat_of(inode);
  return copy_to_user(result, &stat, sizeof stat);
}

int64_t sys_stat(const uint64_t arg[6]) { return stat_at(AT_FDCWD, arg[0], PATH_FOLLOW, arg[1]); }
int64_t sys_lstat(const uint64_t arg[6]) { return stat_at(AT_FDCWD, arg[0], 0, arg[1]); }

int64_t sys_fstat(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  if (!file) return -EBADF;
  struct stat stat = stat_of(file->inode);
  return copy_to_user(arg[1], &stat, sizeof stat);
}

static unsigned path_flags(unsigned at_flags) {
  return (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : PATH_FOLLOW) | (at_flags & AT_EMPTY_PATH ? PATH_EMPTY : 0);
}

int64_t sys_newfstatat(const uint64_t arg[6]) {
  unsigned flags = (unsigned)arg[3];
  if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)) return -EINVAL;
  return stat_at((int)arg[0], arg[1], path_flags(flags), arg[2]);
}

static struct statx_timestamp timestamp(int64_t ns) {
  return (struct statx_timestamp){.tv_sec = seconds_of(ns), .tv_nsec = nanoseconds_of(ns)};
}

int64_t sys_statx(const uint64_t arg[6]) {
  unsigned flags = (unsigned)arg[2];
  if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE)) return -EINVAL;
  struct inode *inode;
  int error = path_inode_at((int)arg[0], arg[1], path_flags(flags), &inode);
  if (error) return error;
  struct stat stat = stat_of(inode);
  struct statx statx = {
    .stx_mask = STATX_BASIC_STATS,
    .stx_blksize = (uint32_t)stat.st_blksize,
    .stx_nlink = (uint32_t)stat.st_nlink,
    .stx_uid = stat.st_uid,
    .stx_gid = stat.st_gid,
    .stx_mode = (uint16_t)stat.st_mode,
    .stx_ino = stat.st_ino,
    .stx_size = (uint64_t)stat.st_size,
    .stx_blocks = (uint64_t)stat.st_blocks,
    .stx_atime = timestamp(inode->atime),
    .stx_ctime = timestamp(inode->ctime),
    .stx_mtime = timestamp(inode->mtime),
    .stx_rdev_major = device_major(inode->device),
    .stx_rdev_minor = device_minor(inode->device),
    .stx_dev_minor = TREE_DEVICE,
  };
  return copy_to_user(arg[4], &statx, sizeof statx);
}

static int64_t statfs_of(const struct inode *inode, uint64_t result) {
  bool proc = proc_contains(inode);
  struct statfs statfs = {
    .f_type = proc ? PROC_SUPER_MAGIC : TMPFS_MAGIC,
    .f_bsize = (long)PAGE_BYTES,
    .f_frsize = (long)PAGE_BYTES,
    .f_namelen = NAME_MAX,
  };
  if (!proc) {
    statfs.f_blocks = (long)window_pages;
    statfs.f_bfree = statfs.f_bavail = (long)pages_free_count();
    statfs.f_files = statfs.f_ffree = (long)(pages_free_count() * (PAGE_BYTES / sizeof(struct inode)));
  }
  return copy_to_user(result, &statfs, sizeof statfs);
}

int64_t sys_statfs(const uint64_t arg[6]) {
  struct inode *inode;
  int error = path_inode_at(AT_FDCWD, arg[0], PATH_FOLLOW, &inode);
  return error ? error : statfs_of(inode, arg[1]);
}

int64_t sys_fstatfs(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  return file ? statfs_of(file->inode, arg[1]) : -EBADF;
}

/* The superuser may do anything but execute what nobody may execute. */
static int64_t access_at(int fd, uint64_t path, unsigned wanted, unsigned at_flags) {
  const unsigned execute = 1, all = 7;
  if (wanted & ~all) return -EINVAL;
  struct inode *inode;
  int error = path_inode_at(fd, path, path_flags(at_flags), &inode);
  if (error) return error;
  return wanted & execute && inode_is(inode, S_IFREG) && !(inode->mode & 0111) ? -EACCES : 0;
}

int64_t sys_access(const uint64_t arg[6]) { return access_at(AT_FDCWD, arg[0], (unsigned)arg[1], 0); }
int64_t sys_faccessat(const uint64_t arg[6]) { return access_at((int)arg[0], arg[1], (unsigned)arg[2], 0); }

int64_t sys_faccessat2(const uint64_t arg[6]) {
  unsigned flags = (unsigned)arg[3];
  if (flags & ~(unsigned)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  return access_at((int)arg[0], arg[1], (unsigned)arg[2], flags);
}
