/* Directories: listing them, making and removing them, and the working directory. */
#include <linux/fcntl.h>

#include "fd.h"
#include "memory.h"
#include "names.h"
#include "path.h"
#include "proc.h"
#include "process.h"
#include "syscall.h"

/* <dirent.h>'s types are the upper bits of the mode. */
static uint8_t entry_type(uint32_t mode) { return (uint8_t)((mode & S_IFMT) >> 12); }

struct listing {
  uint64_t address, room, used;
  bool old_format; /* getdents: the type sits in the record's last byte */
};

/* One record; false when it does not fit any more. */
static bool put_record(struct listing *list, const struct inode *inode, const char *name, size_t length, uint64_t next) {
  const size_t header = 8 + 8 + 2; /* d_ino, d_off, d_reclen */
  size_t size = (header + 1 + length + 1 + 7) & ~7ul;
  if (list->used + size > list->room) return false;
  uint8_t record[280] = {0};
  uint16_t record_length = (uint16_t)size;
  memcpy(record, &inode->number, 8);
  memcpy(record + 8, &next, 8);
  memcpy(record + 16, &record_length, 2);
  memcpy(record + header + (list->old_format ? 0 : 1), name, length);
  record[list->old_format ? size - 1 : header] = entry_type(inode->mode);
  if (copy_to_user(list->address + list->used, record, size)) return false;
  list->used += size;
  return true;
}

/*
 * A position is the cookie of the next entry. Cookies only grow, so removing or adding entries between two calls
 * neither repeats nor hides any other.
 */
static int64_t list_directory(const uint64_t arg[6], bool old_format) {
  struct file *file = fd_file((int)arg[0]);
  if (!file || file->flags & O_PATH) return -EBADF;
  if (!inode_is(file->inode, S_IFDIR)) return -ENOTDIR;
  struct listing list = {.address = arg[1], .room = (uint32_t)arg[2], .old_format = old_format};
  if (!user_range(list.address, list.room, MAP_WRITE)) return -EFAULT;

  struct inode *directory = file->inode;
  bool room = true;
  if (file->offset == 0) {
    room = put_record(&list, directory, ".", 1, 1);
    if (room) file->offset = 1;
  }
  if (room && file->offset == 1) {
    room = put_record(&list, inode_parent(directory), "..", 2, 2);
    if (room) file->offset = 2;
  }
  if (room && directory->directory.lookup) {
    uint64_t first = min_size(file->offset - 2, FD_MAX); /* lseek takes any position */
    for (int fd = fd_next((int)first); room && fd < FD_MAX; fd = fd_next(fd + 1)) {
      char name[12];
      struct inode *link = proc_fd_link(fd);
      if (!link) continue;
      int length = snprintf(name, sizeof name, "%d", fd);
      room = put_record(&list, link, name, (size_t)length, (uint64_t)fd + 3);
      if (room) file->offset = (uint64_t)fd + 3;
    }
  } else if (room) {
    for (struct entry *entry = entry_at(directory, file->offset); entry && room; entry = entry->next) {
      room = put_record(&list, entry->inode, entry->name, entry->name_length, entry->cookie + 1);
      if (room) file->offset = entry->cookie + 1;
    }
  }
  return !room && !list.used ? -EINVAL : (int64_t)list.used;
}

int64_t sys_getdents64(const uint64_t arg[6]) { return list_directory(arg, false); }
int64_t sys_getdents(const uint64_t arg[6]) { return list_directory(arg, true); }

static int64_t make_directory(int fd, uint64_t path, uint32_t mode) {
  struct lookup place;
  int error = names_place_at(fd, path, &place);
  return error ? error : names_make(&place, S_IFDIR | (mode & 01777 & ~process.umask), 0);
}

int64_t sys_mkdir(const uint64_t arg[6]) { return make_directory(AT_FDCWD, arg[0], (uint32_t)arg[1]); }
int64_t sys_mkdirat(const uint64_t arg[6]) { return make_directory((int)arg[0], arg[1], (uint32_t)arg[2]); }
int64_t sys_rmdir(const uint64_t arg[6]) { return names_remove_at(AT_FDCWD, arg[0], true); }

static void change_directory(struct inode *directory) {
  struct inode *before = process.directory;
  directory->opens++;
  process.directory = directory;
  before->opens--;
  inode_release(before);
}

int64_t sys_chdir(const uint64_t arg[6]) {
  struct inode *inode;
  int error = path_inode_at(AT_FDCWD, arg[0], PATH_FOLLOW, &inode);
  if (error) return error;
  if (!inode_is(inode, S_IFDIR)) return -ENOTDIR;
  change_directory(inode);
  return 0;
}

int64_t sys_fchdir(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  if (!file) return -EBADF;
  if (!inode_is(file->inode, S_IFDIR)) return -ENOTDIR;
  change_directory(file->inode);
  return 0;
}

int64_t sys_getcwd(const uint64_t arg[6]) {
  static char path[PATH_MAX];
  const char *start = inode_path(process.directory, path, sizeof path);
  if (!start) return -ENOENT;
  size_t size = strlen(start) + 1;
  if (size > arg[1]) return -ERANGE;
  return copy_to_user(arg[0], start, size) ? -EFAULT : (int64_t)size;
}
