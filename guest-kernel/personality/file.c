/* Opening, closing, and the rules common to all kinds: access mode, position, append. */
#include "file.h"
#include <asm/poll.h>

#include "data.h"
#include "heap.h"

const struct file_ops no_ops;

const struct file_ops *file_ops_of(const struct inode *inode) {
  switch (inode->mode & S_IFMT) {
    case S_IFREG: return &regular_ops;
    case S_IFDIR: return &directory_ops;
    case S_IFCHR: return &device_ops;
    case S_IFBLK: return &block_ops;
    case S_IFIFO: return &pipe_ops;
    default: return &no_ops;
  }
}

int file_open(struct inode *inode, uint32_t flags, struct file **file) {
  struct file *opened = heap_alloc(sizeof *opened);
  if (!opened) return -ENOMEM;
  opened->inode = inode;
  opened->ops = flags & O_PATH ? &no_ops : inode->ops;
  opened->flags = flags;
  opened->references = 1;
  inode->opens++;
  int error = opened->ops->open ? opened->ops->open(opened) : 0;
  if (error) {
    inode->opens--;
    heap_free(opened, sizeof *opened);
    return error;
  }
  *file = opened;
  return 0;
}

void file_put(struct file *file) {
  if (--file->references) return;
  if (file->ops->close) file->ops->close(file);
  file->inode->opens--;
  inode_release(file->inode);
  heap_free(file, sizeof *file);
}

ssize_t file_read_at(struct file *file, void *bytes, size_t count, uint64_t offset) {
  if (!file_readable(file)) return -EBADF;
  if (inode_is(file->inode, S_IFDIR)) return -EISDIR;
  if (!file->ops->read) return -EINVAL;
  return file->ops->read(file, bytes, count, offset);
}

ssize_t file_write_at(struct file *file, const void *bytes, size_t count, uint64_t offset) {
  if (!file_writable(file)) return -EBADF;
  if (!file->ops->write) return -EINVAL;
  return file->ops->write(file, bytes, count, offset);
}

ssize_t file_read(struct file *file, void *bytes, size_t count) {
  ssize_t got = file_read_at(file, bytes, count, file->offset);
  if (got > 0) file->offset += (uint64_t)got;
  return got;
}

ssize_t file_write(struct file *file, const void *bytes, size_t count) {
  if (file->flags & O_APPEND && file->ops == &regular_ops) file->offset = file->inode->data.size;
  ssize_t put = file_write_at(file, bytes, count, file->offset);
  if (put > 0) file->offset += (uint64_t)put;
  return put;
}

unsigned file_poll(struct file *file) {
  return file->ops->poll ? file->ops->poll(file) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

int file_check_mmap(const struct file *file, bool shared_writable) {
  if (!file_readable(file)) return -EACCES;
  bool zeroes = inode_is(file->inode, S_IFCHR) && file->inode->device == device_number(1, 5);
  if (zeroes) return 0;
  if (file->ops != &regular_ops) return -ENODEV;
  if (shared_writable) return file_writable(file) ? -ENODEV : -EACCES;
  return 0;
}

void file_copy_out(const struct file *file, void *bytes, size_t count, uint64_t offset) {
  if (file->ops == &regular_ops && offset < file->inode->data.size) data_read(file->inode, bytes, count, offset);
}

static ssize_t regular_read(struct file *file, void *bytes, size_t count, uint64_t offset) {
  return data_read(file->inode, bytes, count, offset);
}

static ssize_t regular_write(struct file *file, const void *bytes, size_t count, uint64_t offset) {
  return data_write(file->inode, bytes, count, offset);
}

const struct file_ops regular_ops = {.seekable = true, .read = regular_read, .write = regular_write};
const struct file_ops directory_ops = {.seekable = true};
