/* The bytes of regular files and symlinks: in place in the cpio until first changed, then in memory of their own. */
#ifndef PERSONALITY_DATA_H
#define PERSONALITY_DATA_H

#include "tree.h"

#define FILE_SIZE_MAX (64ul << 30)

/* Count, less when memory ran out on the way, -ENOSPC or -EFBIG. A gap before `offset` reads as zeroes. */
ssize_t data_write(struct inode *inode, const void *bytes, size_t count, uint64_t offset);
ssize_t data_read(const struct inode *inode, void *bytes, size_t count, uint64_t offset);
/* Where the bytes at an offset before the end lie, and how many follow in one piece; NULL for zeroes never written. */
const uint8_t *data_at(const struct inode *inode, uint64_t offset, size_t *contiguous);
int data_resize(struct inode *inode, uint64_t size);
/* Memory for all bytes up to here, so that writing them cannot fail. The size stays. */
int data_reserve(struct inode *inode, uint64_t end);
/* For symlinks: a copy of the target. 0 or -ENOMEM. */
int data_set(struct inode *inode, const void *bytes, size_t count);
/* How many bytes of memory, or of the cpio, the content takes. */
uint64_t data_resident(const struct inode *inode);
void data_free(struct inode *inode);

#endif
