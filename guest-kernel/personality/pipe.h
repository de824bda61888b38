/* Pipes and FIFOs within the one process. */
#ifndef PERSONALITY_PIPE_H
#define PERSONALITY_PIPE_H

#include "file.h"

struct pipe;

/* A nameless pipe's inode, or NULL when memory is out. */
struct inode *pipe_new(void);
void pipe_free(struct pipe *pipe);
size_t pipe_waiting(const struct file *file);

#endif
