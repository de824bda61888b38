/* /proc: what the C libraries and the usual tools look up there about themselves and the machine. */
#ifndef PERSONALITY_PROC_H
#define PERSONALITY_PROC_H

#include "tree.h"

void proc_init(void);
/* The link /proc/self/fd/<fd>, or NULL when it is closed or memory is out. */
struct inode *proc_fd_link(int fd);
/* Whether an inode belongs to /proc. */
bool proc_contains(const struct inode *inode);
/* What readlink says of a link that leads to an inode. */
const char *proc_link_text(const struct inode *link, char *buffer, size_t size);

#endif
