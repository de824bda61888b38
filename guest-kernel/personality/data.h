/* The bytes of regular files and symlinks: in place in the cpio until first changed, then on pages of their own. */
#ifndef PERSONALITY_DATA_H
#define PERSONALITY_DATA_H

#include "tree.h"

/* Count, -ENOMEM as -ENOSPC, or -EFBIG. A gap before `offset` reads as zeroes. */
ssize_t data_write(struct inode *inode, const void *bytes, size_t count, uint64_t offset);
ssize_t data_read(const struct inode *inode, void *bytes, size_t count, uint64_t offset);
int data_resize(struct inode *inode, uint64_t size);
/* Room for this many bytes, so that writing them cannot fail; the size stays. */
int data_reserve(struct inode *inode, uint64_t size);
/* For symlinks: a copy of the target. 0 or -ENOMEM. */
int data_set(struct inode *inode, const void *bytes, size_t count);
void data_free(struct inode *inode);

#endif
