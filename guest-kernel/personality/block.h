/* The disks of /dev. */
#ifndef PERSONALITY_BLOCK_H
#define PERSONALITY_BLOCK_H

#include "file.h"

/* Adds /dev/vda, /dev/vdb and so on, as many as the platform has. */
void blocks_init(void);
uint64_t block_size(const struct inode *inode);
/* fsync: what was written to this disk is on stable storage, 0 or -EIO. And sync, of all disks. */
int block_flush(const struct inode *inode);
void blocks_flush(void);

#endif
