/* From a path to an inode. */
#ifndef PERSONALITY_PATH_H
#define PERSONALITY_PATH_H

#include "tree.h"

#define PATH_FOLLOW 1u      /* a symlink at the end is followed */
#define PATH_EMPTY 2u       /* AT_EMPTY_PATH: "" means the descriptor itself */

/*
 * Where a path leads. `inode` is NULL when all but the last component exists; `directory` and `name` then say where
 * it would be. `name_length` is 0 when the path ends in `.`, `..` or is `/`.
 */
struct lookup {
  struct inode *directory, *inode;
  struct entry *entry;
  char name[NAME_MAX + 1];
  size_t name_length;
  bool slash_behind; /* "name/": must be a directory */
};

/* 0 or a negative errno. */
int path_lookup(struct inode *start, const char *path, unsigned flags, struct lookup *result);
/* The same for a path in the program's memory, starting at a descriptor or AT_FDCWD. */
int path_lookup_at(int fd, uint64_t user_path, unsigned flags, struct lookup *result);
/* As path_lookup_at, but what is not there is -ENOENT. */
int path_inode_at(int fd, uint64_t user_path, unsigned flags, struct inode **inode);

#endif
