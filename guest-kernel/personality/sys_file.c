/* Reading, writing and positions: read, write, readv, pwrite, lseek and their kin. */
#include <linux/fs.h>
#include <linux/uio.h>

#include "block.h"
#include "fd.h"
#include "memory.h"
#include "syscall.h"

#define IOV_MAX UIO_MAXIOV
#define RW_MAX 0x7ffff000ul /* as in Linux: more is cut, so that a count fits an int */
#define GATHER_BYTES 16384u

#define AT_OWN_POSITION UINT64_MAX

static ssize_t move_in(struct file *file, void *bytes, size_t count, uint64_t at) {
  return at == AT_OWN_POSITION ? file_read(file, bytes, count) : file_read_at(file, bytes, count, at);
}

static ssize_t move_out(struct file *file, const void *bytes, size_t count, uint64_t at) {
  return at == AT_OWN_POSITION ? file_write(file, bytes, count) : file_write_at(file, bytes, count, at);
}

/* The file of a call that names a position, if it has positions. */
static int positioned_file(uint64_t fd, uint64_t offset, struct file **file) {
  *file = fd_file((int)fd);
  if (!*file) return -EBADF;
  if ((int64_t)offset < 0) return -EINVAL;
  return (*file)->ops->seekable ? 0 : -ESPIPE;
}

static int64_t read_into(struct file *file, uint64_t address, uint64_t count, uint64_t at) {
  count = min_size(count, RW_MAX);
  void *bytes = user_range(address, count, MAP_WRITE);
  return bytes ? move_in(file, bytes, count, at) : file_readable(file) ? -EFAULT : -EBADF;
}

static int64_t write_from(struct file *file, uint64_t address, uint64_t count, uint64_t at) {
  count = min_size(count, RW_MAX);
  const void *bytes = user_range(address, count, MAP_READ);
  return bytes ? move_out(file, bytes, count, at) : file_writable(file) ? -EFAULT : -EBADF;
}

int64_t sys_read(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  return file ? read_into(file, arg[1], arg[2], AT_OWN_POSITION) : -EBADF;
}

int64_t sys_write(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  return file ? write_from(file, arg[1], arg[2], AT_OWN_POSITION) : -EBADF;
}

int64_t sys_pread64(const uint64_t arg[6]) {
  struct file *file;
  int error = positioned_file(arg[0], arg[3], &file);
  return error ? error : read_into(file, arg[1], arg[2], arg[3]);
}

int64_t sys_pwrite64(const uint64_t arg[6]) {
  struct file *file;
  int error = positioned_file(arg[0], arg[3], &file);
  return error ? error : write_from(file, arg[1], arg[2], arg[3]);
}

struct iov_list {
  size_t count, total;
  struct iovec parts[IOV_MAX];
};

/* Takes a copy of the program's list; its total is bounded. */
static int copy_iov(uint64_t address, uint64_t count, struct iov_list *list) {
  if (count > IOV_MAX) return -EINVAL;
  if (copy_from_user(list->parts, address, count * sizeof list->parts[0])) return -EFAULT;
  list->count = count;
  list->total = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t length = list->parts[i].iov_len;
    if ((int64_t)length < 0) return -EINVAL;
    list->parts[i].iov_len = min_size(length, RW_MAX - list->total);
    list->total += list->parts[i].iov_len;
  }
  return 0;
}

/* Part after part, until one comes short. What was moved before an error counts. */
static int64_t move_parts(struct file *file, const struct iov_list *list, uint64_t at, bool out) {
  int64_t done = 0;
  for (size_t i = 0; i < list->count; i++) {
    uint64_t address = (uintptr_t)list->parts[i].iov_base, length = list->parts[i].iov_len;
    if (!length) continue;
    uint64_t position = at == AT_OWN_POSITION ? at : at + (uint64_t)done;
    int64_t moved = out ? write_from(file, address, length, position) : read_into(file, address, length, position);
    if (moved < 0) return done ? done : moved;
    done += moved;
    if ((uint64_t)moved < length) break;
  }
  return done;
}

static uint8_t joined[GATHER_BYTES];

/* Small parts leave as one write: a stream then carries one message instead of several. */
static int64_t gather(struct file *file, const struct iov_list *list, uint64_t at) {
  size_t length = 0;
  for (size_t i = 0; i < list->count; i++) {
    const struct iovec *part = &list->parts[i];
    if (copy_from_user(joined + length, (uintptr_t)part->iov_base, part->iov_len)) return move_parts(file, list, at, true);
    length += part->iov_len;
  }
  return move_out(file, joined, length, at);
}

/* The parts are filled from one read: a second one could wait, or begin another packet. */
static int64_t scatter(struct file *file, const struct iov_list *list) {
  for (size_t i = 0; i < list->count; i++)
    if (!user_range((uintptr_t)list->parts[i].iov_base, list->parts[i].iov_len, MAP_WRITE))
      return move_parts(file, list, AT_OWN_POSITION, false);
  const struct iovec *large = &list->parts[0];
  if (large->iov_len >= sizeof joined) return read_into(file, (uintptr_t)large->iov_base, large->iov_len, AT_OWN_POSITION);
  int64_t got = move_in(file, joined, min_size(list->total, sizeof joined), AT_OWN_POSITION), done = 0;
  for (size_t i = 0; done < got; i++) {
    size_t length = min_size(list->parts[i].iov_len, (size_t)(got - done));
    copy_to_user((uintptr_t)list->parts[i].iov_base, joined + done, length);
    done += (int64_t)length;
  }
  return got;
}

static int64_t vector_call(struct file *file, uint64_t address, uint64_t count, uint64_t at, bool out) {
  static struct iov_list list;
  if (out ? !file_writable(file) : !file_readable(file)) return -EBADF;
  int error = copy_iov(address, (uint32_t)count, &list);
  if (error || !list.total) return error;
  if (list.count > 1 && out && list.total <= GATHER_BYTES) return gather(file, &list, at);
  if (list.count > 1 && !out && !file->ops->seekable) return scatter(file, &list);
  return move_parts(file, &list, at, out);
}

int64_t sys_readv(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  return file ? vector_call(file, arg[1], arg[2], AT_OWN_POSITION, false) : -EBADF;
}

int64_t sys_writev(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  return file ? vector_call(file, arg[1], arg[2], AT_OWN_POSITION, true) : -EBADF;
}

int64_t sys_preadv(const uint64_t arg[6]) {
  struct file *file;
  int error = positioned_file(arg[0], arg[3], &file);
  return error ? error : vector_call(file, arg[1], arg[2], arg[3], false);
}

int64_t sys_pwritev(const uint64_t arg[6]) {
  struct file *file;
  int error = positioned_file(arg[0], arg[3], &file);
  return error ? error : vector_call(file, arg[1], arg[2], arg[3], true);
}

/* preadv2 and pwritev2: position -1 is the file's own; none of the RWF_ flags is known. */
static int64_t vector2_call(const uint64_t arg[6], bool out) {
  if (arg[5]) return -EOPNOTSUPP;
  if (arg[3] == UINT64_MAX) return out ? sys_writev(arg) : sys_readv(arg);
  return out ? sys_pwritev(arg) : sys_preadv(arg);
}

int64_t sys_preadv2(const uint64_t arg[6]) { return vector2_call(arg, false); }
int64_t sys_pwritev2(const uint64_t arg[6]) { return vector2_call(arg, true); }

int64_t sys_lseek(const uint64_t arg[6]) {
  struct file *file = fd_file((int)arg[0]);
  int64_t offset = (int64_t)arg[1], base;
  if (!file || file->flags & O_PATH) return -EBADF;
  if (!file->ops->seekable) return -ESPIPE;
  int64_t size = file->ops == &regular_ops ? (int64_t)file->inode->data.size : 0;
  if (file->ops == &block_ops) size = (int64_t)block_size(file->inode);
  switch ((unsigned)arg[2]) {
    case SEEK_SET: base = 0; break;
    case SEEK_CUR: base = (int64_t)file->offset; break;
    case SEEK_END: base = size; break;
    case SEEK_DATA:
    case SEEK_HOLE: /* no holes: all is data, and the hole is at the end */
      if (offset < 0 || offset >= size) return -ENXIO;
      base = (unsigned)arg[2] == SEEK_DATA ? 0 : size - offset;
      break;
    default: return -EINVAL;
  }
  if (inode_is(file->inode, S_IFCHR)) return 0; /* /dev/null and its like stay at 0 */
  int64_t position;
  if (__builtin_add_overflow(base, offset, &position) || position < 0) return -EINVAL;
  file->offset = (uint64_t)position;
  return position;
}
