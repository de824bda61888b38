/*
 * Disks as block devices: /dev/vda, /dev/vdb... with Linux' virtio_blk numbers. There is no page cache: the whole sectors
 * of a write are with the device when the call returns, and on stable storage after fsync, or at once with O_SYNC or O_DSYNC.
 */
#include "block.h"
#include <linux/fs.h>

#include "memory.h"

#define MAJOR 254u
#define MINORS_EACH 16u /* Linux leaves room for partitions, which there are none of here */
#define SECTOR_BYTES 512u

static unsigned disk_of(const struct inode *inode) {
  unsigned major = device_major(inode->device), minor = device_minor(inode->device);
  return major == MAJOR && minor % MINORS_EACH == 0 ? minor / MINORS_EACH : UINT32_MAX;
}

static const struct disk_facts *facts_of(const struct inode *inode) { return platform_disk(disk_of(inode)); }

uint64_t block_size(const struct inode *inode) {
  const struct disk_facts *facts = facts_of(inode);
  return facts ? facts->bytes : 0;
}

static int flush(unsigned disk) {
  const struct disk_facts *facts = platform_disk(disk);
  return facts && !facts->read_only ? platform_disk_flush(disk) : 0;
}

int block_flush(const struct inode *inode) { return flush(disk_of(inode)); }

void blocks_flush(void) {
  for (unsigned disk = 0; disk < platform_disk_count(); disk++) flush(disk);
}

static int block_open(struct file *file) { return facts_of(file->inode) ? 0 : -ENXIO; }

static ssize_t block_read(struct file *file, void *bytes, size_t count, uint64_t offset) {
  return count ? platform_disk_read(disk_of(file->inode), bytes, count, offset, file->flags & O_DIRECT) : 0;
}

static ssize_t block_write(struct file *file, const void *bytes, size_t count, uint64_t offset) {
  const struct disk_facts *facts = facts_of(file->inode);
  if (facts->read_only) return -EPERM;
  if (!count) return 0;
  if (offset >= facts->bytes) return -ENOSPC;
  ssize_t put = platform_disk_write(disk_of(file->inode), bytes, count, offset, file->flags & O_DIRECT);
  if (put > 0 && file->flags & O_DSYNC && block_flush(file->inode)) return -EIO;
  return put;
}

static int block_ioctl(struct file *file, unsigned request, uint64_t argument) {
  const struct disk_facts *facts = facts_of(file->inode);
  unsigned sector = facts->sector_bytes;
  switch (request) {
    case BLKGETSIZE64: return copy_to_user(argument, &facts->bytes, sizeof facts->bytes);
    case BLKGETSIZE: {
      unsigned long sectors = facts->bytes / SECTOR_BYTES;
      return copy_to_user(argument, &sectors, sizeof sectors);
    }
    case BLKSSZGET:
    case BLKPBSZGET: return copy_to_user(argument, &sector, sizeof sector);
    case BLKBSZGET: {
      int bytes = (int)PAGE_BYTES;
      return copy_to_user(argument, &bytes, sizeof bytes);
    }
    case BLKROGET: {
      int read_only = facts->read_only;
      return copy_to_user(argument, &read_only, sizeof read_only);
    }
    case BLKFLSBUF:
      platform_disk_forget(disk_of(file->inode));
      return block_flush(file->inode);
    default: return -ENOTTY;
  }
}

const struct file_ops block_ops = {
  .seekable = true, .open = block_open, .read = block_read, .write = block_write, .ioctl = block_ioctl,
};

void blocks_init(void) {
  struct inode *dev = tree_make(tree_root, "dev", S_IFDIR | 0755);
  static char names[26][4];
  if (!inode_is(dev, S_IFDIR)) return;
  for (unsigned disk = 0; disk < platform_disk_count() && disk < ARRAY_LENGTH(names); disk++) {
    memcpy(names[disk], (char[]){'v', 'd', (char)('a' + disk), 0}, 4);
    struct inode *node = tree_make(dev, names[disk], S_IFBLK | 0660);
    if (inode_is(node, S_IFBLK) && !node->device) node->device = device_number(MAJOR, disk * MINORS_EACH);
  }
}
