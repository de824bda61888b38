/*
 * A ring of 64 KiB. Only this process can fill or drain it, so waiting for the other end makes sense only while
 * something could still run: a signal handler. Without any, what Linux would wait for for ever ends with EDEADLK.
 */
#include "pipe.h"
#include <asm/poll.h>
#include "heap.h"
#include "signal.h"

#define PIPE_BYTES 65536u
#define PIPE_ATOMIC 4096u /* PIPE_BUF: writes up to here go whole or not at all */

struct pipe {
  uint8_t *ring;
  size_t start, count;
  uint32_t readers, writers;
};

struct inode *pipe_new(void) { return inode_new(S_IFIFO | 0600); }

void pipe_free(struct pipe *pipe) {
  if (pipe->ring) heap_free(pipe->ring, PIPE_BYTES);
  heap_free(pipe, sizeof *pipe);
}

size_t pipe_waiting(const struct file *file) { return file->inode->pipe->count; }

static int pipe_open(struct file *file) {
  struct inode *inode = file->inode;
  if (!inode->pipe) {
    struct pipe *pipe = heap_alloc(sizeof *pipe);
    if (pipe) pipe->ring = heap_alloc(PIPE_BYTES);
    if (!pipe || !pipe->ring) {
      heap_free(pipe, sizeof *pipe);
      return -ENOMEM;
    }
    inode->pipe = pipe;
  }
  bool named = inode->links > 0, reads = file_readable(file), writes = file_writable(file);
  /* Opening one end of a FIFO waits for the other: there is nobody to open it. */
  if (named && !(reads && writes)) {
    if (writes && !inode->pipe->readers) return file->flags & O_NONBLOCK ? -ENXIO : -EDEADLK;
    if (reads && !inode->pipe->writers && !(file->flags & O_NONBLOCK)) return -EDEADLK;
  }
  inode->pipe->readers += reads;
  inode->pipe->writers += writes;
  return 0;
}

static void pipe_close(struct file *file) {
  struct pipe *pipe = file->inode->pipe;
  pipe->readers -= file_readable(file);
  pipe->writers -= file_writable(file);
  if (!pipe->readers && !pipe->writers) pipe->start = pipe->count = 0;
}

/* Waits for a signal, the only thing that can change a pipe while its process waits. */
static ssize_t wait_or_fail(const struct file *file) {
  if (file->flags & O_NONBLOCK) return -EAGAIN;
  if (!signal_handlers_exist()) return -EDEADLK;
  int error = signal_sleep(UINT64_MAX, 0);
  return error ? -ERESTARTSYS : 0;
}

static ssize_t pipe_read(struct file *file, void *bytes, size_t count, uint64_t offset) {
  (void)offset;
  struct pipe *pipe = file->inode->pipe;
  if (count == 0) return 0;
  while (!pipe->count) {
    if (!pipe->writers) return 0;
    ssize_t error = wait_or_fail(file);
    if (error) return error;
  }
  count = min_size(count, pipe->count);
  size_t whole = min_size(count, PIPE_BYTES - pipe->start);
  memcpy(bytes, pipe->ring + pipe->start, whole);
  memcpy((uint8_t *)bytes + whole, pipe->ring, count - whole);
  pipe->start = (pipe->start + count) % PIPE_BYTES;
  pipe->count -= count;
  return (ssize_t)count;
}

static ssize_t pipe_write(struct file *file, const void *bytes, size_t count, uint64_t offset) {
  (void)offset;
  struct pipe *pipe = file->inode->pipe;
  size_t done = 0;
  while (done < count || count == 0) {
    if (!pipe->readers) {
      if (!done) signal_raise(SIGPIPE);
      return done ? (ssize_t)done : -EPIPE;
    }
    if (count == 0) break;
    size_t room = PIPE_BYTES - pipe->count;
    if (count <= PIPE_ATOMIC ? room < count - done : !room) {
      if (done) break;
      ssize_t error = wait_or_fail(file);
      if (error) return error;
      continue;
    }
    size_t end = (pipe->start + pipe->count) % PIPE_BYTES;
    size_t chunk = min_size(min_size(count - done, room), PIPE_BYTES - end);
    memcpy(pipe->ring + end, (const uint8_t *)bytes + done, chunk);
    pipe->count += chunk;
    done += chunk;
  }
  return (ssize_t)done;
}

static unsigned pipe_poll(struct file *file) {
  const struct pipe *pipe = file->inode->pipe;
  unsigned events = 0;
  if (file_readable(file)) {
    if (pipe->count) events |= POLLIN | POLLRDNORM;
    if (!pipe->writers) events |= POLLHUP;
  }
  if (file_writable(file)) {
    if (PIPE_BYTES - pipe->count >= PIPE_ATOMIC) events |= POLLOUT | POLLWRNORM;
    if (!pipe->readers) events |= POLLERR;
  }
  return events;
}

const struct file_ops pipe_ops = {
  .open = pipe_open, .close = pipe_close, .read = pipe_read, .write = pipe_write, .poll = pipe_poll,
};
