/* link, symlink, readlink, mknod, unlink, rename. */
#include <linux/fcntl.h>
#include <linux/fs.h>

#include "data.h"
#include "fd.h"
#include "memory.h"
#include "names.h"
#include "proc.h"
#include "process.h"
#include "syscall.h"

static int64_t unlink_at(int fd, uint64_t path, unsigned flags) {
  if (flags & ~(unsigned)AT_REMOVEDIR) return -EINVAL;
  return names_remove_at(fd, path, flags & AT_REMOVEDIR);
}

int64_t sys_unlink(const uint64_t arg[6]) { return unlink_at(AT_FDCWD, arg[0], 0); }
int64_t sys_unlinkat(const uint64_t arg[6]) { return unlink_at((int)arg[0], arg[1], (unsigned)arg[2]); }

static int64_t link_at(int from_fd, uint64_t from, int to_fd, uint64_t to, unsigned flags) {
  if (flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  unsigned how = (flags & AT_SYMLINK_FOLLOW ? PATH_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? PATH_EMPTY : 0);
  struct inode *inode;
  int error = path_inode_at(from_fd, from, how, &inode);
  if (error) return error;
  struct lookup place;
  error = names_place_at(to_fd, to, &place);
  if (error) return error;
  if (inode_is(inode, S_IFDIR)) return -EPERM;
  if (inode->follow || inode->ops == &stream_ops || inode->ops == &proc_ops) return -EXDEV;
  if (place.slash_behind || !inode->links) return -ENOENT;
  return entry_add(place.directory, place.name, place.name_length, inode, true);
}

int64_t sys_link(const uint64_t arg[6]) { return link_at(AT_FDCWD, arg[0], AT_FDCWD, arg[1], 0); }

int64_t sys_linkat(const uint64_t arg[6]) {
  return link_at((int)arg[0], arg[1], (int)arg[2], arg[3], (unsigned)arg[4]);
}

static int64_t symlink_at(uint64_t target, int fd, uint64_t path) {
  static char text[PATH_MAX];
  ssize_t length = copy_string_from_user(text, target, sizeof text);
  if (length < 0) return length;
  if (length == 0) return -ENOENT;
  struct lookup place;
  int error = names_place_at(fd, path, &place);
  if (!error) error = names_make(&place, S_IFLNK | 0777, 0);
  if (error) return error;
  struct entry *entry = entry_find(place.directory, place.name, place.name_length);
  error = data_set(entry->inode, text, (size_t)length);
  if (error) entry_remove(entry);
  return error;
}

int64_t sys_symlink(const uint64_t arg[6]) { return symlink_at(arg[0], AT_FDCWD, arg[1]); }
int64_t sys_symlinkat(const uint64_t arg[6]) { return symlink_at(arg[0], (int)arg[1], arg[2]); }

static int64_t readlink_at(int fd, uint64_t path, uint64_t buffer, uint64_t size) {
  static char made_up[PATH_MAX];
  struct inode *inode;
  if ((int64_t)size <= 0) return -EINVAL;
  int error = path_inode_at(fd, path, PATH_EMPTY, &inode);
  if (error) return error;
  if (!inode_is(inode, S_IFLNK)) return -EINVAL;
  const char *text = inode->follow ? proc_link_text(inode, made_up, sizeof made_up) : (char *)inode->data.bytes;
  size_t length = min_size(inode->follow ? strlen(text) : inode->data.size, size);
  return copy_to_user(buffer, text, length) ? -EFAULT : (int64_t)length;
}

int64_t sys_readlink(const uint64_t arg[6]) { return readlink_at(AT_FDCWD, arg[0], arg[1], (uint64_t)(int)arg[2]); }

int64_t sys_readlinkat(const uint64_t arg[6]) {
  return readlink_at((int)arg[0], arg[1], arg[2], (uint64_t)(int)arg[3]);
}

static int64_t make_node_at(int fd, uint64_t path, uint32_t mode, uint32_t device) {
  uint32_t type = mode & S_IFMT ? mode & S_IFMT : S_IFREG;
  if (type == S_IFDIR) return -EPERM;
  if (type != S_IFREG && type != S_IFIFO && type != S_IFCHR && type != S_IFBLK && type != S_IFSOCK) return -EINVAL;
  struct lookup place;
  int error = names_place_at(fd, path, &place);
  return error ? error : names_make(&place, type | (mode & 07777 & ~process.umask), device);
}

int64_t sys_mknod(const uint64_t arg[6]) {
  return make_node_at(AT_FDCWD, arg[0], (uint32_t)arg[1], (uint32_t)arg[2]);
}

int64_t sys_mknodat(const uint64_t arg[6]) {
  return make_node_at((int)arg[0], arg[1], (uint32_t)arg[2], (uint32_t)arg[3]);
}

/* Whether `target`, which is there, may be replaced by `source`. */
static int may_replace(const struct inode *source, const struct inode *target) {
  bool from_directory = inode_is(source, S_IFDIR), onto_directory = inode_is(target, S_IFDIR);
  if (from_directory && !onto_directory) return -ENOTDIR;
  if (!from_directory && onto_directory) return -EISDIR;
  return onto_directory && (target->directory.first || target->directory.lookup) ? -ENOTEMPTY : 0;
}

/* Two names swap what they stand for. */
static int exchange(struct entry *a, struct entry *b) {
  struct inode *inode = a->inode;
  bool a_directory = inode_is(a->inode, S_IFDIR), b_directory = inode_is(b->inode, S_IFDIR);
  a->directory->links += (uint32_t)b_directory - (uint32_t)a_directory;
  b->directory->links += (uint32_t)a_directory - (uint32_t)b_directory;
  a->inode = b->inode;
  b->inode = inode;
  a->inode->entry = a;
  b->inode->entry = b;
  return 0;
}

static int64_t rename_at(int from_fd, uint64_t from, int to_fd, uint64_t to, unsigned flags) {
  if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
    return -EINVAL;
  struct lookup source, target;
  int error = path_lookup_at(from_fd, from, 0, &source);
  if (!error) error = path_lookup_at(to_fd, to, 0, &target);
  if (error) return error;
  if (!source.inode) return -ENOENT;
  if (!source.entry || (target.inode && !target.entry)) return -EBUSY;
  if (source.inode->ops == &proc_ops) return -EPERM;
  error = names_check_directory(target.directory);
  if (error) return error;
  bool directory = inode_is(source.inode, S_IFDIR);
  if (!directory && (source.slash_behind || target.slash_behind)) return -ENOTDIR;
  if (directory && inode_is_inside(target.directory, source.inode)) return -EINVAL;

  if (flags & RENAME_EXCHANGE) {
    if (!target.inode) return -ENOENT;
    if (inode_is(target.inode, S_IFDIR) && inode_is_inside(source.directory, target.inode)) return -EINVAL;
    return exchange(source.entry, target.entry);
  }
  if (target.inode) {
    if (flags & RENAME_NOREPLACE) return -EEXIST;
    if (target.inode == source.inode) return 0;
    error = may_replace(source.inode, target.inode);
    if (error) return error;
  }
  /* The new name first: only this step can fail. */
  error = entry_add(target.directory, target.name, target.name_length, source.inode, true);
  if (error) return error;
  if (target.entry) entry_remove(target.entry);
  struct entry *renamed = source.inode->entry;
  entry_remove(source.entry);
  source.inode->entry = renamed;
  return 0;
}

int64_t sys_rename(const uint64_t arg[6]) { return rename_at(AT_FDCWD, arg[0], AT_FDCWD, arg[1], 0); }
int64_t sys_renameat(const uint64_t arg[6]) { return rename_at((int)arg[0], arg[1], (int)arg[2], arg[3], 0); }

int64_t sys_renameat2(const uint64_t arg[6]) {
  return rename_at((int)arg[0], arg[1], (int)arg[2], arg[3], (unsigned)arg[4]);
}
