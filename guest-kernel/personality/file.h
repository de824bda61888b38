/* Open files: what a descriptor refers to, and the operations of each kind. */
#ifndef PERSONALITY_FILE_H
#define PERSONALITY_FILE_H

#include <asm/fcntl.h>

#include "tree.h"

struct file {
  struct inode *inode;
  const struct file_ops *ops;
  uint32_t flags; /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_PATH, O_DIRECTORY */
  uint32_t references; /* descriptors */
  uint64_t offset; /* of a directory: the cookie of the next entry */
  struct text *snapshot; /* a file of /proc: its content when it was opened */
};

/*
 * What a kind of file does. `read` and `write` take the position and do not move it. -ERESTARTSYS from either means
 * a signal came first. A missing operation fails with what Linux says for such a file.
 */
struct file_ops {
  bool seekable;
  int (*open)(struct file *file);
  void (*close)(struct file *file);
  ssize_t (*read)(struct file *file, void *bytes, size_t count, uint64_t offset);
  ssize_t (*write)(struct file *file, const void *bytes, size_t count, uint64_t offset);
  unsigned (*poll)(struct file *file); /* POLLIN, POLLOUT ... that hold now; missing: always both */
  int (*ioctl)(struct file *file, unsigned request, uint64_t argument);
};

extern const struct file_ops regular_ops, directory_ops, device_ops, block_ops, pipe_ops, proc_ops, stream_ops, socket_ops, no_ops;
const struct file_ops *file_ops_of(const struct inode *inode);

/* Opens an inode that is there; *file gets one reference. 0 or a negative errno. */
int file_open(struct inode *inode, uint32_t flags, struct file **file);
void file_put(struct file *file);

/* At the file's own position, which moves; O_APPEND goes to the end first. */
ssize_t file_read(struct file *file, void *bytes, size_t count);
ssize_t file_write(struct file *file, const void *bytes, size_t count);
/* At a given position. -ESPIPE where there is none. */
ssize_t file_read_at(struct file *file, void *bytes, size_t count, uint64_t offset);
ssize_t file_write_at(struct file *file, const void *bytes, size_t count, uint64_t offset);
unsigned file_poll(struct file *file);

/* Whether it can be mapped: 0, -EACCES, or -ENODEV, also for a mapping whose stores should reach the file. */
int file_check_mmap(const struct file *file, bool shared_writable);
/* Fills zeroed memory with what the file has from `offset` on. */
void file_copy_out(const struct file *file, void *bytes, size_t count, uint64_t offset);

static inline bool file_readable(const struct file *file) {
  return (file->flags & O_ACCMODE) != O_WRONLY && !(file->flags & O_PATH);
}
static inline bool file_writable(const struct file *file) {
  return (file->flags & O_ACCMODE) != O_RDONLY && !(file->flags & O_PATH);
}

#endif
