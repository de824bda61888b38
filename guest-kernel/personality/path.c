/*
 * Walking a path, one component at a time. A symlink's target is put in front of what is left of the path, so depth
 * costs no stack; their number is limited as in Linux.
 */
#include "path.h"

#include <linux/fcntl.h>

#include "fd.h"
#include "memory.h"
#include "process.h"

#define SYMLINKS_MAX 40

static char pending[2 * PATH_MAX];

/* Puts a symlink's target before the rest of the path. */
static int splice_link(const struct inode *link, size_t at) {
  size_t length = link->data.size, rest = strlen(pending + at) + 1;
  if (length == 0) return -ENOENT;
  if (length + rest > sizeof pending) return -ENAMETOOLONG;
  memmove(pending + length, pending + at, rest);
  memcpy(pending, link->data.bytes, length);
  return 0;
}

static struct inode *child_of(struct inode *directory, const char *name, size_t length, struct entry **entry) {
  *entry = entry_find(directory, name, length);
  if (*entry) return (*entry)->inode;
  return directory->directory.lookup ? directory->directory.lookup(name, length) : NULL;
}

int path_lookup(struct inode *start, const char *path, unsigned flags, struct lookup *result) {
  size_t length = strlen(path), at = 0, links = 0;
  if (length == 0) return -ENOENT;
  if (length >= PATH_MAX) return -ENAMETOOLONG;
  memcpy(pending, path, length + 1);
  struct inode *current = pending[0] == '/' ? tree_root : start;
  *result = (struct lookup){.directory = current, .inode = current};

  for (;;) {
    while (pending[at] == '/') at++;
    if (!pending[at]) {
      if (!inode_is(current, S_IFDIR)) return -ENOTDIR;
      result->inode = result->directory = current;
      result->name_length = 0;
      return 0;
    }
    const char *name = pending + at;
    size_t name_length = 0;
    while (name[name_length] && name[name_length] != '/') name_length++;
    if (name_length > NAME_MAX) return -ENAMETOOLONG;
    if (!inode_is(current, S_IFDIR)) return -ENOTDIR;
    at += name_length;
    size_t behind = at;
    while (pending[behind] == '/') behind++;
    bool last = !pending[behind], slash = behind > at;

    if (name[0] == '.' && (name_length == 1 || (name_length == 2 && name[1] == '.'))) {
      if (name_length == 2) current = inode_parent(current);
      continue;
    }
    struct entry *entry;
    struct inode *child = child_of(current, name, name_length, &entry);
    if (!child && !last) return -ENOENT;
    if (child && inode_is(child, S_IFLNK) && (!last || slash || flags & PATH_FOLLOW)) {
      if (++links > SYMLINKS_MAX) return -ELOOP;
      if (child->follow) {
        current = child->follow(child);
        if (!current) return -ENOENT;
        if (!last) continue;
        if (slash && !inode_is(current, S_IFDIR)) return -ENOTDIR;
        result->inode = result->directory = current;
        result->name_length = 0;
        return 0;
      }
      int error = splice_link(child, at);
      if (error) return error;
      at = 0;
      if (pending[0] == '/') current = tree_root;
      continue;
    }
    if (last) {
      if (child && slash && !inode_is(child, S_IFDIR)) return -ENOTDIR;
      result->directory = current;
      result->inode = child;
      result->entry = entry;
      memcpy(result->name, name, name_length);
      result->name[name_length] = 0;
      result->name_length = name_length;
      result->slash_behind = slash;
      return 0;
    }
    current = child;
  }
}

int path_lookup_at(int fd, uint64_t user_path, unsigned flags, struct lookup *result) {
  static char path[PATH_MAX];
  ssize_t length = copy_string_from_user(path, user_path, sizeof path);
  if (length < 0) return (int)length;

  struct inode *start = process.directory;
  bool empty = length == 0 && flags & PATH_EMPTY;
  if (path[0] != '/' && fd != AT_FDCWD) {
    struct file *file = fd_file(fd);
    if (!file) return -EBADF;
    start = file->inode;
    if (!empty && !inode_is(start, S_IFDIR)) return length ? -ENOTDIR : -ENOENT;
  }
  if (empty) {
    *result = (struct lookup){.directory = start, .inode = start};
    return 0;
  }
  return path_lookup(start, path, flags, result);
}

int path_inode_at(int fd, uint64_t user_path, unsigned flags, struct inode **inode) {
  struct lookup found;
  int error = path_lookup_at(fd, user_path, flags, &found);
  if (error) return error;
  *inode = found.inode;
  return found.inode ? 0 : -ENOENT;
}
