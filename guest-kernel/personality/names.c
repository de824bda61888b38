/* Names in directories: new ones, and removal. */
#include "names.h"
#include "file.h"
#include "memory.h"

int names_check_directory(const struct inode *directory) {
  if (directory->directory.lookup) return -EACCES;
  return directory->links <= 1 && directory != tree_root ? -ENOENT : 0;
}

int names_place_at(int fd, uint64_t user_path, struct lookup *place) {
  int error = path_lookup_at(fd, user_path, 0, place);
  if (error) return error;
  return place->inode ? -EEXIST : names_check_directory(place->directory);
}

int names_make(const struct lookup *place, uint32_t mode, uint32_t device) {
  if (place->slash_behind && (mode & S_IFMT) != S_IFDIR) return -ENOENT;
  struct inode *inode = inode_new(mode);
  if (!inode) return -ENOMEM;
  inode->device = device;
  int error = entry_add(place->directory, place->name, place->name_length, inode, true);
  if (error) inode_release(inode);
  return error;
}

int names_remove_at(int fd, uint64_t user_path, bool directory) {
  struct lookup found;
  int error = path_lookup_at(fd, user_path, 0, &found);
  if (error) return error;
  struct inode *inode = found.inode;
  if (!inode) return -ENOENT;
  if (directory && !inode_is(inode, S_IFDIR)) return -ENOTDIR;
  if (!found.entry) { /* it ended in `.` or `..`, or lies in /proc */
    if (!directory) return inode_is(inode, S_IFDIR) ? -EISDIR : -EPERM;
    return inode == tree_root ? -EBUSY : -EINVAL;
  }
  if (!directory && inode_is(inode, S_IFDIR)) return -EISDIR;
  if (!directory && found.slash_behind) return -ENOTDIR;
  if (directory && inode->directory.first) return -ENOTEMPTY;
  if (inode->directory.lookup && directory) return -EBUSY;
  entry_remove(found.entry);
  return 0;
}
