/* Changing what a file is: mode, owner, times, length. */
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/time_types.h>
#include <linux/stat.h>

#include "data.h"
#include "block.h"
#include "fd.h"
#include "memory.h"
#include "path.h"
#include "process.h"
#include "syscall.h"

/* <linux/stat.h> names only its own flag bits, utimensat(2) gives these two. */
#define UTIME_NOW ((1l << 30) - 1l)
#define UTIME_OMIT ((1l << 30) - 2l)

static int64_t set_mode(struct inode *inode, uint32_t mode) {
  if (inode_is(inode, S_IFLNK)) return -EOPNOTSUPP;
  inode->mode = (inode->mode & S_IFMT) | (mode & 07777);
  inode->ctime = tree_now();
  return 0;
}

static int64_t chmod_at(int fd, uint64_t path, uint32_t mode) {
  struct inode *inode;
  int error = path_inode_at(fd, path, PATH_FOLLOW, &inode);
  return error ? error : set_mode(inode, mode);
}

int64_t sys_chmod(const uint64_t arg[6]) { return chmod_at(AT_FDCWD, arg[0], (uint32_t)arg[1]); }
int64_t sys_fchmodat(const uint64_t arg[6]) { return chmod_at((int)arg[0], arg[1], (uint32_t)arg[2]); }

int64_t sys_fchmod(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  return file && !(file->flags & O_PATH) ? set_mode(file->inode, (uint32_t)arg[1]) : -EBADF;
}

static int64_t set_owner(struct inode *inode, uint32_t uid, uint32_t gid) {
  const uint32_t unchanged = UINT32_MAX;
  if (uid != unchanged) inode->uid = uid;
  if (gid != unchanged) inode->gid = gid;
  if (inode_is(inode, S_IFREG)) inode->mode &= ~(uint32_t)(S_ISUID | (inode->mode & 010 ? S_ISGID : 0));
  inode->ctime = tree_now();
  return 0;
}

static int64_t chown_at(int fd, uint64_t path, uint32_t uid, uint32_t gid, unsigned flags) {
  struct inode *inode;
  int error = path_inode_at(fd, path, flags, &inode);
  return error ? error : set_owner(inode, uid, gid);
}

int64_t sys_chown(const uint64_t arg[6]) {
  return chown_at(AT_FDCWD, arg[0], (uint32_t)arg[1], (uint32_t)arg[2], PATH_FOLLOW);
}

int64_t sys_lchown(const uint64_t arg[6]) {
  return chown_at(AT_FDCWD, arg[0], (uint32_t)arg[1], (uint32_t)arg[2], 0);
}

int64_t sys_fchownat(const uint64_t arg[6]) {
  unsigned flags = (unsigned)arg[4];
  if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  unsigned how = (flags & AT_SYMLINK_NOFOLLOW ? 0 : PATH_FOLLOW) | (flags & AT_EMPTY_PATH ? PATH_EMPTY : 0);
  return chown_at((int)arg[0], arg[1], (uint32_t)arg[2], (uint32_t)arg[3], how);
}

int64_t sys_fchown(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  return file && !(file->flags & O_PATH) ? set_owner(file->inode, (uint32_t)arg[1], (uint32_t)arg[2]) : -EBADF;
}

int64_t sys_umask(const uint64_t arg[6]) {
  uint32_t before = process.umask;
  process.umask = (uint32_t)arg[0] & 0777;
  return before;
}

/* One of the two times of utimensat: the time to set, or INT64_MIN to leave it. */
static int choose_time(const struct __kernel_timespec *time, int64_t *ns) {
  if (time->tv_nsec == UTIME_OMIT) *ns = INT64_MIN;
  else if (time->tv_nsec == UTIME_NOW) *ns = tree_now();
  else if (time->tv_nsec < 0 || time->tv_nsec >= (long long)NS_PER_SECOND) return -EINVAL;
  else if (__builtin_mul_overflow(time->tv_sec, (int64_t)NS_PER_SECOND, ns)) *ns = INT64_MAX / 2;
  else if (__builtin_add_overflow(*ns, time->tv_nsec, ns)) *ns = INT64_MAX / 2;
  return 0;
}

static int64_t set_times(struct inode *inode, const struct __kernel_timespec times[2]) {
  int64_t access, modification;
  if (choose_time(&times[0], &access) || choose_time(&times[1], &modification)) return -EINVAL;
  if (access != INT64_MIN) inode->atime = access;
  if (modification != INT64_MIN) inode->mtime = modification;
  inode->ctime = tree_now();
  return 0;
}

int64_t sys_utimensat(const uint64_t arg[6]) {
  struct __kernel_timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
  unsigned flags = (unsigned)arg[3];
  if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  if (arg[2] && copy_from_user(times, arg[2], sizeof times)) return -EFAULT;
  if (!arg[1]) { /* futimens: no path, the descriptor itself */
    struct file *file = fd_file((int)arg[0]);
    return file ? set_times(file->inode, times) : -EBADF;
  }
  struct inode *inode;
  unsigned how = (flags & AT_SYMLINK_NOFOLLOW ? 0 : PATH_FOLLOW) | (flags & AT_EMPTY_PATH ? PATH_EMPTY : 0);
  int error = path_inode_at((int)arg[0], arg[1], how, &inode);
  return error ? error : set_times(inode, times);
}

/* utimes, futimesat: microseconds. */
static int64_t utimes_at(int fd, uint64_t path, uint64_t user_times) {
  struct __kernel_timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
  if (user_times) {
    if (copy_from_user(times, user_times, sizeof times)) return -EFAULT;
    for (int i = 0; i < 2; i++) {
      if (times[i].tv_nsec < 0 || times[i].tv_nsec >= 1000000) return -EINVAL;
      times[i].tv_nsec *= 1000;
    }
  }
  struct inode *inode;
  int error = path_inode_at(fd, path, PATH_FOLLOW, &inode);
  return error ? error : set_times(inode, times);
}

int64_t sys_utimes(const uint64_t arg[6]) { return utimes_at(AT_FDCWD, arg[0], arg[1]); }
int64_t sys_futimesat(const uint64_t arg[6]) { return utimes_at((int)arg[0], arg[1], arg[2]); }

int64_t sys_utime(const uint64_t arg[6]) {
  struct __kernel_timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
  int64_t seconds[2];
  if (arg[1]) {
    if (copy_from_user(seconds, arg[1], sizeof seconds)) return -EFAULT;
    for (int i = 0; i < 2; i++) times[i] = (struct __kernel_timespec){.tv_sec = seconds[i]};
  }
  struct inode *inode;
  int error = path_inode_at(AT_FDCWD, arg[0], PATH_FOLLOW, &inode);
  return error ? error : set_times(inode, times);
}

static int64_t set_length(struct inode *inode, int64_t length) {
  if (inode_is(inode, S_IFDIR)) return -EISDIR;
  if (inode->ops != &regular_ops || length < 0) return -EINVAL;
  return data_resize(inode, (uint64_t)length);
}

int64_t sys_truncate(const uint64_t arg[6]) {
  struct inode *inode;
  int error = path_inode_at(AT_FDCWD, arg[0], PATH_FOLLOW, &inode);
  return error ? error : set_length(inode, (int64_t)arg[1]);
}

int64_t sys_ftruncate(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  if (!file) return -EBADF;
  return file_writable(file) ? set_length(file->inode, (int64_t)arg[1]) : -EINVAL;
}

int64_t sys_fallocate(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  unsigned mode = (unsigned)arg[1];
  int64_t offset = (int64_t)arg[2], length = (int64_t)arg[3], end;
  if (!file || !file_writable(file)) return -EBADF;
  if (offset < 0 || length <= 0) return -EINVAL;
  if (mode & ~(unsigned)FALLOC_FL_KEEP_SIZE) return -EOPNOTSUPP;
  if (__builtin_add_overflow(offset, length, &end)) return -EFBIG;
  if (inode_is(file->inode, S_IFIFO)) return -ESPIPE;
  if (file->ops != &regular_ops) return -ENODEV;
  int error = data_reserve(file->inode, (uint64_t)end);
  bool grows = (uint64_t)end > file->inode->data.size && !(mode & FALLOC_FL_KEEP_SIZE);
  return error || !grows ? error : data_resize(file->inode, (uint64_t)end);
}

/* sync, fsync, fdatasync: files are in memory and nowhere else; disks have somewhere to write to. */
int64_t sys_sync(const uint64_t arg[6]) {
  (void)arg;
  blocks_flush();
  return 0;
}

int64_t sys_fsync(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  if (!file || file->flags & O_PATH) return -EBADF;
  if (file->ops == &block_ops) return block_flush(file->inode);
  return inode_is(file->inode, S_IFREG) || inode_is(file->inode, S_IFDIR) ? 0 : -EINVAL;
}

int64_t sys_fadvise64(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  if (!file) return -EBADF;
  return inode_is(file->inode, S_IFIFO) ? -ESPIPE : (uint32_t)arg[3] > 5 ? -EINVAL : 0;
}
