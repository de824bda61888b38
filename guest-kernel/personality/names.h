/* Giving and taking names: the rules that mkdir, mknod, link, symlink, unlink and rename share. */
#ifndef PERSONALITY_NAMES_H
#define PERSONALITY_NAMES_H

#include "path.h"

/* Whether a directory takes new names: 0, -EACCES when it is made up on the spot, -ENOENT when it was removed. */
int names_check_directory(const struct inode *directory);
/* Where a new name would go: 0, -EEXIST when it is taken, or why there is no such place. */
int names_place_at(int fd, uint64_t user_path, struct lookup *place);
/* A new inode there. 0 or a negative errno. */
int names_make(const struct lookup *place, uint32_t mode, uint32_t device);
int names_remove_at(int fd, uint64_t user_path, bool directory);

#endif
