/* Descriptors come and go: open, close, dup, pipe, fcntl, ioctl. */
#include <asm/ioctls.h>
#include <linux/fcntl.h>

#include "data.h"
#include "fd.h"
#include "memory.h"
#include "names.h"
#include "path.h"
#include "pipe.h"
#include "process.h"
#include "syscall.h"

#define OPEN_STATUS_FLAGS (O_APPEND | O_NONBLOCK | O_SYNC | O_DIRECT | O_NOATIME)

/* Makes the regular file that O_CREAT found missing. */
static int create(struct lookup *found, uint32_t mode) {
  if (found->slash_behind) return -EISDIR;
  int error = names_check_directory(found->directory);
  if (!error) error = names_make(found, S_IFREG | (mode & 07777 & ~process.umask), 0);
  if (!error) found->inode = entry_find(found->directory, found->name, found->name_length)->inode;
  return error;
}

static int64_t open_at(int directory, uint64_t path, uint32_t flags, uint32_t mode) {
  struct lookup found;
  if (flags & O_PATH) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  bool exclusive = flags & O_CREAT && flags & O_EXCL;
  if ((flags & __O_TMPFILE) == __O_TMPFILE) return -EOPNOTSUPP;
  int error = path_lookup_at(directory, path, flags & O_NOFOLLOW || exclusive ? 0 : PATH_FOLLOW, &found);
  if (error) return error;

  bool created = false;
  if (!found.inode) {
    if (!(flags & O_CREAT)) return -ENOENT;
    error = create(&found, mode);
    if (error) return error;
    created = true;
  } else if (exclusive) {
    return -EEXIST;
  }
  struct inode *inode = found.inode;
  bool writes = (flags & O_ACCMODE) != O_RDONLY, path_only = flags & O_PATH;
  if (inode_is(inode, S_IFLNK) && !path_only) return -ELOOP;
  if (flags & O_DIRECTORY && !inode_is(inode, S_IFDIR)) return -ENOTDIR;
  if (inode_is(inode, S_IFDIR) && (writes || flags & O_CREAT)) return -EISDIR;
  if (inode->ops == &proc_ops && writes) return -EACCES;
  if (inode_is(inode, S_IFSOCK) && !path_only) return -ENXIO;

  struct file *file;
  error = file_open(inode, flags & (O_ACCMODE | O_PATH | O_DIRECTORY | OPEN_STATUS_FLAGS), &file);
  if (error) return error;
  if (flags & O_TRUNC && inode->ops == &regular_ops && !created && !path_only) data_resize(inode, 0);
  return fd_install(file, 0, flags & O_CLOEXEC);
}

int64_t sys_open(const uint64_t arg[6]) { return open_at(AT_FDCWD, arg[0], (uint32_t)arg[1], (uint32_t)arg[2]); }

int64_t sys_openat(const uint64_t arg[6]) {
  return open_at((int)arg[0], arg[1], (uint32_t)arg[2], (uint32_t)arg[3]);
}

int64_t sys_creat(const uint64_t arg[6]) {
  return open_at(AT_FDCWD, arg[0], O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)arg[1]);
}

int64_t sys_close(const uint64_t arg[6]) { return fd_close((int)arg[0]); }

int64_t sys_close_range(const uint64_t arg[6]) {
  uint32_t first = (uint32_t)arg[0], last = (uint32_t)arg[1], flags = (uint32_t)arg[2];
  const uint32_t close_on_exec = 1u << 2, unshare = 1u << 1;
  if (first > last || flags & ~(close_on_exec | unshare)) return -EINVAL;
  if (first >= FD_MAX) return 0;
  for (int fd = fd_next((int)first); fd < FD_MAX && (uint32_t)fd <= last; fd = fd_next(fd + 1)) {
    if (flags & close_on_exec) fd_set_close_on_exec(fd, true);
    else fd_close(fd);
  }
  return 0;
}

static int64_t duplicate(int fd, int lowest, bool close_on_exec) {
  struct file *file = fd_file(fd);
  if (!file) return -EBADF;
  file->references++;
  return fd_install(file, lowest, close_on_exec);
}

int64_t sys_dup(const uint64_t arg[6]) { return duplicate((int)arg[0], 0, false); }

int64_t sys_dup2(const uint64_t arg[6]) {
  int from = (int)arg[0], to = (int)arg[1];
  struct file *file = fd_file(from);
  if (!file || to < 0 || to >= FD_MAX) return -EBADF;
  if (from == to) return to;
  file->references++;
  fd_replace(to, file, false);
  return to;
}

int64_t sys_dup3(const uint64_t arg[6]) {
  int from = (int)arg[0], to = (int)arg[1];
  uint32_t flags = (uint32_t)arg[2];
  if (flags & ~(uint32_t)O_CLOEXEC || from == to) return -EINVAL;
  int64_t result = sys_dup2(arg);
  if (result >= 0) fd_set_close_on_exec(to, flags & O_CLOEXEC);
  return result;
}

int64_t sys_pipe2(const uint64_t arg[6]) {
  uint32_t flags = (uint32_t)arg[1];
  if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) return -EINVAL;
  if (!user_range(arg[0], 2 * sizeof(int), MAP_WRITE)) return -EFAULT;
  struct inode *inode = pipe_new();
  struct file *reader, *writer;
  if (!inode) return -ENOMEM;
  int error = file_open(inode, O_RDONLY | (flags & O_NONBLOCK), &reader);
  if (error) {
    inode_release(inode);
    return error;
  }
  error = file_open(inode, O_WRONLY | (flags & O_NONBLOCK), &writer);
  if (error) {
    file_put(reader);
    return error;
  }
  int ends[2] = {fd_install(reader, 0, flags & O_CLOEXEC), -1};
  if (ends[0] < 0) file_put(writer);
  else ends[1] = fd_install(writer, 0, flags & O_CLOEXEC);
  if (ends[1] < 0) {
    if (ends[0] >= 0) fd_close(ends[0]);
    return -EMFILE;
  }
  return copy_to_user(arg[0], ends, sizeof ends);
}

int64_t sys_pipe(const uint64_t arg[6]) {
  const uint64_t arguments[6] = {arg[0]};
  return sys_pipe2(arguments);
}

int64_t sys_fcntl(const uint64_t arg[6]) {
  int fd = (int)arg[0];
  struct file *file = fd_file(fd);
  if (!file) return -EBADF;
  switch ((unsigned)arg[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (arg[2] >= FD_MAX) return -EINVAL;
      return duplicate(fd, (int)arg[2], (unsigned)arg[1] == F_DUPFD_CLOEXEC);
    case F_GETFD: return fd_close_on_exec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD: fd_set_close_on_exec(fd, arg[2] & FD_CLOEXEC); return 0;
    case F_GETFL: return (int64_t)(file->flags | O_LARGEFILE);
    case F_SETFL: {
      const uint32_t changeable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
      file->flags = (file->flags & ~changeable) | ((uint32_t)arg[2] & changeable);
      return 0;
    }
    case F_GETLK: { /* one process: its own locks never stand in its way */
      struct flock lock;
      if (copy_from_user(&lock, arg[2], sizeof lock)) return -EFAULT;
      lock.l_type = F_UNLCK;
      return copy_to_user(arg[2], &lock, sizeof lock);
    }
    case F_SETLK:
    case F_SETLKW: return user_range(arg[2], sizeof(struct flock), MAP_READ) ? 0 : -EFAULT;
    case F_GETPIPE_SZ: return file->ops == &pipe_ops ? 65536 : -EBADF;
    default: return -EINVAL;
  }
}

/* Locks of the whole file: there is no second process to keep out. */
int64_t sys_flock(const uint64_t arg[6]) { return fd_file((int)arg[0]) ? 0 : -EBADF; }

int64_t sys_ioctl(const uint64_t arg[6]) {
  int fd = (int)arg[0];
  unsigned request = (unsigned)arg[1];
  struct file *file = fd_file(fd);
  if (!file || file->flags & O_PATH) return -EBADF;
  switch (request) {
    case FIOCLEX: fd_set_close_on_exec(fd, true); return 0;
    case FIONCLEX: fd_set_close_on_exec(fd, false); return 0;
    case FIONBIO: {
      int on;
      if (copy_from_user(&on, arg[2], sizeof on)) return -EFAULT;
      file->flags = on ? file->flags | O_NONBLOCK : file->flags & ~(uint32_t)O_NONBLOCK;
      return 0;
    }
    case FIONREAD: {
      int waiting;
      size_t size = file->inode->data.size;
      if (file->ops == &pipe_ops) waiting = (int)pipe_waiting(file);
      else if (file->ops == &regular_ops) waiting = (int)(size - min_size(file->offset, size));
      else break;
      return copy_to_user(arg[2], &waiting, sizeof waiting);
    }
    default: break;
  }
  return file->ops->ioctl ? file->ops->ioctl(file, request, arg[2]) : -ENOTTY;
}
