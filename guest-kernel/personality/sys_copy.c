/* Bytes from one open file to another without passing through the program: sendfile, copy_file_range. */
#include "data.h"
#include "fd.h"
#include "memory.h"
#include "syscall.h"

#define BOUNCE_BYTES 65536u
#define COPY_MAX 0x7ffff000ul

/* The position a call names by pointer, or the file's own. */
struct position {
  struct file *file;
  uint64_t address; /* 0: the file's own */
  uint64_t offset;
};

static int load_position(struct position *position, struct file *file, uint64_t address) {
  *position = (struct position){.file = file, .address = address, .offset = file->offset};
  if (!address) return 0;
  if (!user_range(address, sizeof position->offset, MAP_WRITE)) return -EFAULT;
  if (copy_from_user(&position->offset, address, sizeof position->offset)) return -EFAULT;
  if (!file->ops->seekable) return -ESPIPE;
  return (int64_t)position->offset < 0 ? -EINVAL : 0;
}

static void store_position(const struct position *position) {
  if (position->address) copy_to_user(position->address, &position->offset, sizeof position->offset);
  else position->file->offset = position->offset;
}

/*
 * Through a buffer of ours: writing may move the very bytes that are read. A stream or pipe cannot, so a regular
 * file goes to it straight from where it lies.
 */
static int64_t transfer(struct position *from, struct position *to, uint64_t count) {
  static uint8_t bounce[BOUNCE_BYTES];
  const struct inode *source = from->file->inode;
  bool direct = from->file->ops == &regular_ops && to->file->ops != &regular_ops;
  int64_t done = 0;
  count = min_size(count, COPY_MAX);
  while ((uint64_t)done < count) {
    size_t wanted = count - (uint64_t)done;
    const uint8_t *bytes = bounce;
    ssize_t got;
    if (direct) {
      size_t piece = 0;
      const uint8_t *place = from->offset < source->data.size ? data_at(source, from->offset, &piece) : bounce;
      if (!place) memset(bounce, 0, piece = min_size(piece, sizeof bounce));
      if (place) bytes = place;
      got = (ssize_t)min_size(wanted, piece);
    } else {
      got = file_read_at(from->file, bounce, min_size(wanted, sizeof bounce), from->offset);
    }
    if (got <= 0) return done ? done : got;
    ssize_t put = file_write_at(to->file, bytes, (size_t)got, to->offset);
    if (put < 0) return done ? done : put;
    from->offset += (uint64_t)put;
    to->offset += (uint64_t)put;
    done += put;
    if (put < got) break;
  }
  return done;
}

int64_t sys_sendfile(const uint64_t arg[6]) {
  struct file *out = fd_file((int)arg[0]), *in = fd_file((int)arg[1]);
  if (!out || !in || !file_writable(out) || !file_readable(in)) return -EBADF;
  if (in->ops != &regular_ops && in->ops != &device_ops && in->ops != &block_ops && in->ops != &proc_ops) return -EINVAL;
  if (out->flags & O_APPEND) return -EINVAL;
  struct position from, to;
  int error = load_position(&from, in, arg[2]);
  if (!error) error = load_position(&to, out, 0);
  if (error) return error;
  int64_t moved = transfer(&from, &to, arg[3]);
  store_position(&from);
  store_position(&to);
  return moved;
}

int64_t sys_copy_file_range(const uint64_t arg[6]) {
  struct file *in = fd_file((int)arg[0]), *out = fd_file((int)arg[2]);
  if (!out || !in || !file_writable(out) || !file_readable(in) || out->flags & O_APPEND) return -EBADF;
  if ((uint32_t)arg[5]) return -EINVAL;
  if (inode_is(in->inode, S_IFDIR) || inode_is(out->inode, S_IFDIR)) return -EISDIR;
  if (in->ops != &regular_ops || out->ops != &regular_ops) return -EINVAL;
  struct position from, to;
  int error = load_position(&from, in, arg[1]);
  if (!error) error = load_position(&to, out, arg[3]);
  if (error) return error;
  uint64_t count = min_size(arg[4], COPY_MAX);
  if (in->inode == out->inode && from.offset < to.offset + count && to.offset < from.offset + count) return -EINVAL;
  int64_t moved = transfer(&from, &to, count);
  store_position(&from);
  store_position(&to);
  return moved;
}
