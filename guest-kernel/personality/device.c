/* The character devices of /dev. Numbers are those of Linux (Documentation/admin-guide/devices.txt). */
#include "device.h"
#include "block.h"
#include "file.h"

#define DEVICE(major, minor) ((major) << 8 | (minor)) /* device_number() of small ones */

static ssize_t read_nothing(void *bytes, size_t count) {
  (void)bytes, (void)count;
  return 0;
}

static ssize_t read_zeroes(void *bytes, size_t count) {
  memset(bytes, 0, count);
  return (ssize_t)count;
}

static ssize_t read_random(void *bytes, size_t count) {
  platform_random(bytes, count);
  return (ssize_t)count;
}

static ssize_t write_all(size_t count) { return (ssize_t)count; }
static ssize_t write_full(size_t count) { return count ? -ENOSPC : 0; }

static const struct device {
  const char *name;
  uint32_t number;
  ssize_t (*read)(void *bytes, size_t count);
  ssize_t (*write)(size_t count);
} devices[] = {
  {"null", DEVICE(1, 3), read_nothing, write_all},   {"zero", DEVICE(1, 5), read_zeroes, write_all},
  {"full", DEVICE(1, 7), read_zeroes, write_full},   {"random", DEVICE(1, 8), read_random, write_all},
  {"urandom", DEVICE(1, 9), read_random, write_all},
};

static const struct device *device_of(const struct file *file) {
  for (size_t i = 0; i < ARRAY_LENGTH(devices); i++)
    if (devices[i].number == file->inode->device) return &devices[i];
  return NULL;
}

static int device_open(struct file *file) { return device_of(file) ? 0 : -ENXIO; }

static ssize_t device_read(struct file *file, void *bytes, size_t count, uint64_t offset) {
  (void)offset;
  return device_of(file)->read(bytes, count);
}

static ssize_t device_write(struct file *file, const void *bytes, size_t count, uint64_t offset) {
  (void)bytes, (void)offset;
  return device_of(file)->write(count);
}

const struct file_ops device_ops = {
  .seekable = true, .open = device_open, .read = device_read, .write = device_write,
};

void devices_init(void) {
  struct inode *dev = tree_make(tree_root, "dev", S_IFDIR | 0755);
  if (!inode_is(dev, S_IFDIR)) return;
  for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
    struct inode *node = tree_make(dev, devices[i].name, S_IFCHR | 0666);
    if (inode_is(node, S_IFCHR) && !node->device) node->device = devices[i].number;
  }
  /* The controlling terminal: ENXIO unless streams_open() finds that there is one. */
  struct inode *terminal = tree_make(dev, "tty", S_IFCHR | 0666);
  if (inode_is(terminal, S_IFCHR)) terminal->device = DEVICE(5, 0);
  blocks_init();
  static const char *const links[][2] = {
    {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
  };
  for (size_t i = 0; i < ARRAY_LENGTH(links); i++) tree_make_link(dev, links[i][0], links[i][1]);
}
