/* The descriptor table. */
#ifndef PERSONALITY_FD_H
#define PERSONALITY_FD_H

#include "file.h"

#define FD_MAX 1024

/* The open file behind a descriptor, or NULL. */
struct file *fd_file(int fd);
/* The lowest free descriptor at or above `lowest` takes over the reference; -EMFILE gives it back. */
int fd_install(struct file *file, int lowest, bool close_on_exec);
/* Puts a file at exactly this descriptor, closing what was there. */
void fd_replace(int fd, struct file *file, bool close_on_exec);
int fd_close(int fd);
bool fd_close_on_exec(int fd);
void fd_set_close_on_exec(int fd, bool close_on_exec);
/* The lowest open descriptor at or above this one, or FD_MAX. */
int fd_next(int fd);

#endif
