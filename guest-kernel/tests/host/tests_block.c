/* Disks: /dev/vda, and /dev/vdb that cannot be written. */
#include "test.h"

#include <linux/fs.h>
#include <sys/sysmacros.h>

static void is_a_block_device(void) {
  struct stat *stat = (struct stat *)buffer();
  CHECK(CALL(SYS_stat, path("/dev/vda"), P(stat)) == 0 && S_ISBLK(stat->st_mode) && stat->st_size == 0);
  CHECK(stat->st_rdev == makedev(254, 0));
  CHECK(CALL(SYS_stat, path("/dev/vdb"), P(stat)) == 0 && stat->st_rdev == makedev(254, 16));
  CHECK(CALL(SYS_stat, path("/dev/vdc"), P(stat)) == -ENOENT);
}

static void reads_and_writes_anywhere(void) {
  int64_t fd = open_file("/dev/vda", O_RDWR);
  CHECK(fd >= 0);
  memcpy(buffer(), "odd place", 9);
  CHECK(CALL(SYS_pwrite64, (uint64_t)fd, P(buffer()), 9, 1023) == 9 && !memcmp(shim.disks[0] + 1023, "odd place", 9));
  CHECK(CALL(SYS_lseek, (uint64_t)fd, 1020, SEEK_SET) == 1020 && CALL(SYS_read, (uint64_t)fd, P(buffer()), 8) == 8);
  CHECK(!memcmp(buffer(), "\0\0\0odd p", 8) && CALL(SYS_lseek, (uint64_t)fd, 0, SEEK_CUR) == 1028);
}

static void has_an_end(void) {
  int64_t fd = open_file("/dev/vda", O_RDWR);
  CHECK(CALL(SYS_lseek, (uint64_t)fd, 0, SEEK_END) == SHIM_DISK_BYTES);
  CHECK(CALL(SYS_read, (uint64_t)fd, P(buffer()), 100) == 0 && CALL(SYS_write, (uint64_t)fd, P(buffer()), 100) == -ENOSPC);
  CHECK(CALL(SYS_pwrite64, (uint64_t)fd, P(buffer()), 100, SHIM_DISK_BYTES - 60) == 60);
  CHECK(CALL(SYS_pread64, (uint64_t)fd, P(buffer()), 100, SHIM_DISK_BYTES - 60) == 60);
  CHECK(CALL(SYS_ftruncate, (uint64_t)fd, 4096) == -EINVAL);
}

static void answers_ioctls(void) {
  uint64_t fd = (uint64_t)open_file("/dev/vdb", O_RDONLY);
  uint64_t *wide = (uint64_t *)buffer();
  int *narrow = (int *)buffer();
  CHECK(CALL(SYS_ioctl, fd, BLKGETSIZE64, P(wide)) == 0 && *wide == SHIM_DISK_BYTES);
  CHECK(CALL(SYS_ioctl, fd, BLKGETSIZE, P(wide)) == 0 && *wide == SHIM_DISK_BYTES / 512);
  CHECK(CALL(SYS_ioctl, fd, BLKSSZGET, P(narrow)) == 0 && *narrow == 512);
  CHECK(CALL(SYS_ioctl, fd, BLKROGET, P(narrow)) == 0 && *narrow == 1);
  CHECK(CALL(SYS_ioctl, fd, BLKGETSIZE64, 8) == -EFAULT && CALL(SYS_ioctl, fd, BLKTRACESTOP, 0) == -ENOTTY);
}

static void syncs(void) {
  uint64_t fd = (uint64_t)open_file("/dev/vda", O_RDWR), synced = (uint64_t)open_file("/dev/vda", O_WRONLY | O_DSYNC);
  CHECK(CALL(SYS_write, fd, P(buffer()), 512) == 512 && shim.disk_flushes == 0);
  CHECK(CALL(SYS_fsync, fd) == 0 && shim.disk_flushes == 1 && CALL(SYS_fdatasync, fd) == 0 && shim.disk_flushes == 2);
  CHECK(CALL(SYS_write, synced, P(buffer()), 512) == 512 && shim.disk_flushes == 3);
  CHECK(CALL(SYS_sync) == 0 && shim.disk_flushes == 4);
  CHECK(CALL(SYS_ioctl, fd, BLKFLSBUF, 0) == 0 && shim.disk_flushes == 5);
}

static void refuses_writes(void) {
  uint64_t fd = (uint64_t)open_file("/dev/vdb", O_RDWR);
  CHECK(CALL(SYS_write, fd, P(buffer()), 512) == -EPERM && CALL(SYS_read, fd, P(buffer()), 512) == 512);
  CHECK(CALL(SYS_fsync, fd) == 0);
}

static void says_that_it_failed(void) {
  uint64_t fd = (uint64_t)open_file("/dev/vda", O_RDWR);
  shim.disk_fails = true;
  CHECK(CALL(SYS_read, fd, P(buffer()), 512) == -EIO && CALL(SYS_write, fd, P(buffer()), 512) == -EIO);
  CHECK(CALL(SYS_fsync, fd) == -EIO);
}

static void absent_ones_are_enxio(void) {
  CHECK(CALL(SYS_mknod, path("/tmp/node"), S_IFBLK | 0600, makedev(254, 32)) == 0 && open_file("/tmp/node", O_RDONLY) == -ENXIO);
  CHECK(CALL(SYS_mknod, path("/tmp/other"), S_IFBLK | 0600, makedev(8, 0)) == 0 && open_file("/tmp/other", O_RDWR) == -ENXIO);
  CHECK(CALL(SYS_mknod, path("/tmp/same"), S_IFBLK | 0600, makedev(254, 0)) == 0 && open_file("/tmp/same", O_RDWR) >= 0);
}

static void copies_from_a_disk(void) {
  memcpy(shim.disks[0], "from the disk", 13);
  uint64_t in = (uint64_t)open_file("/dev/vda", O_RDONLY), out = (uint64_t)open_file("/tmp/copy", O_WRONLY | O_CREAT);
  CHECK(CALL(SYS_sendfile, out, in, 0, 13) == 13 && file_holds("/tmp/copy", "from the disk"));
  CHECK(CALL(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, in, 0) == -ENODEV);
}

/* A node whose numbers do not fit the eight bits of old. */
static void tree_with_a_node(struct archive *archive) {
  char header[111];
  static const char name[] = "dev/far";
  snprintf(header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08zx%08x", 9u, 0060600u, 0u, 0u, 1u, 0u, 0u, 0u, 0u,
           259u, 0x12345u, sizeof name, 0u);
  fixture_tree(archive);
  archive->length -= 124; /* the trailer, put back behind it */
  memcpy(archive->bytes + archive->length, header, 110);
  memcpy(archive->bytes + archive->length + 110, name, sizeof name);
  archive->length = (archive->length + 110 + sizeof name + 3) & ~3ul;
  archive_end(archive);
}

static void numbers_are_wide(void) {
  struct stat *stat = (struct stat *)buffer();
  CHECK(CALL(SYS_stat, path("/dev/far"), P(stat)) == 0 && stat->st_rdev == makedev(259, 0x12345));
  struct statx *statx = (struct statx *)buffer();
  CHECK(CALL(SYS_statx, (uint64_t)AT_FDCWD, path("/dev/far"), 0, STATX_BASIC_STATS, P(statx)) == 0);
  CHECK(statx->stx_rdev_major == 259 && statx->stx_rdev_minor == 0x12345);
  CHECK(open_file("/dev/far", O_RDONLY) == -ENXIO);
}

const struct test block_tests[] = {
  {"a disk is a block device of size 0 with Linux' numbers", is_a_block_device},
  {"a disk is read and written at any position", reads_and_writes_anywhere},
  {"a disk ends: reading there is the end of file, writing is ENOSPC, and its size cannot be changed", has_an_end},
  {"a disk answers ioctls about its size, sectors and rights", answers_ioctls},
  {"fsync, fdatasync, sync and O_DSYNC reach the disk", syncs},
  {"a disk that is read-only refuses writes with EPERM", refuses_writes},
  {"a disk that fails gives EIO", says_that_it_failed},
  {"opening a block device that is not there is ENXIO", absent_ones_are_enxio},
  {"sendfile reads from a disk, and mmap of it is ENODEV", copies_from_a_disk},
  {"device numbers of the file tree are kept in full", numbers_are_wide, tree_with_a_node},
  {0},
};
