/* Files, directories, descriptors. */
#include "test.h"

static void reads_in_place(void) {
  CHECK(file_holds("/etc/motd", "welcome\n"));
  CHECK(file_holds("/etc/link", "welcome\n"));
  CHECK(file_holds("etc/../etc/./motd", "welcome\n"));
}

static void copies_on_write(void) {
  int64_t fd = open_file("/etc/motd", O_RDWR);
  strcpy(buffer(), "W");
  CHECK(CALL(SYS_pwrite64, (uint64_t)fd, P(buffer()), 1, 0) == 1);
  CHECK(file_holds("/etc/motd", "Welcome\n"));
  CHECK(CALL(SYS_pwrite64, (uint64_t)fd, P(buffer()), 1, 10) == 1);
  CHECK(CALL(SYS_pread64, (uint64_t)fd, P(buffer()), 100, 0) == 11);
  CHECK(!memcmp(buffer(), "Welcome\n\0\0W", 11));
}

static void truncate_leaves_zeroes(void) {
  write_file("/f", "0123456789");
  CHECK(CALL(SYS_truncate, path("/f"), 3) == 0);
  CHECK(CALL(SYS_truncate, path("/f"), 6) == 0);
  int64_t fd = open_file("/f", O_RDONLY);
  CHECK(CALL(SYS_read, (uint64_t)fd, P(buffer()), 100) == 6);
  CHECK(!memcmp(buffer(), "012\0\0\0", 6));
  CHECK(CALL(SYS_truncate, path("/etc/motd"), 4) == 0);
  CHECK(file_holds("/etc/motd", "welc"));
  CHECK(CALL(SYS_truncate, path("/f"), (uint64_t)-1) == -EINVAL);
}

static void grows_large_files(void) {
  int64_t fd = open_file("/big", O_CREAT | O_RDWR);
  char *block = map(64 * KIB);
  for (int i = 0; i < 128; i++) {
    memset(block, i, 64 * KIB);
    CHECK(CALL(SYS_write, (uint64_t)fd, P(block), 64 * KIB) == 64 * 1024);
  }
  for (int i = 0; i < 128; i++) {
    CHECK(CALL(SYS_pread64, (uint64_t)fd, P(block), 64 * KIB, (uint64_t)i * 64 * KIB) == 64 * 1024);
    CHECK(block[0] == (char)i && block[64 * KIB - 1] == (char)i);
  }
}

static void gaps_cost_nothing(void) {
  struct stat *stat = (struct stat *)buffer();
  write_file("/sparse", "start");
  CHECK(CALL(SYS_truncate, path("/sparse"), 1ul << 30) == 0);
  CHECK(CALL(SYS_stat, path("/sparse"), P(stat)) == 0 && stat->st_size == 1 << 30 && stat->st_blocks <= 512);
  int64_t fd = open_file("/sparse", O_RDWR);
  strcpy(buffer(), "end");
  CHECK(CALL(SYS_pwrite64, (uint64_t)fd, P(buffer()), 3, 700 * MIB - 1) == 3);
  memset(buffer(), 1, 8);
  CHECK(CALL(SYS_pread64, (uint64_t)fd, P(buffer()), 8, 700 * MIB - 3) == 8);
  CHECK(!memcmp(buffer(), "\0\0end\0\0\0", 8));
  CHECK(CALL(SYS_ftruncate, (uint64_t)fd, 700 * MIB) == 0 && CALL(SYS_ftruncate, (uint64_t)fd, 701 * MIB) == 0);
  CHECK(CALL(SYS_pread64, (uint64_t)fd, P(buffer()), 4, 700 * MIB - 2) == 4 && !memcmp(buffer(), "\0e\0\0", 4));
  CHECK(CALL(SYS_fallocate, (uint64_t)fd, 0, 0, 700 * MIB) == -ENOSPC);
}

static void full_is_enospc(void) {
  int64_t fd = open_file("/big", O_CREAT | O_RDWR), last = 0;
  char *block = map(MIB);
  for (int i = 0; i < 64 && last >= 0; i++) last = CALL(SYS_write, (uint64_t)fd, P(block), MIB);
  CHECK(last == -ENOSPC);
  CHECK(CALL(SYS_ftruncate, (uint64_t)fd, 0) == 0);
  CHECK(CALL(SYS_pwrite64, (uint64_t)fd, P(block), MIB, 0) == (int64_t)MIB);
  CHECK(CALL(SYS_pwrite64, (uint64_t)fd, P(block), 1, INT64_MAX) == -EFBIG);
  CHECK(CALL(SYS_pwrite64, (uint64_t)fd, P(block), 1, 1ul << 50) == -EFBIG);
}

static void open_flags(void) {
  CHECK(open_file("/none", O_RDONLY) == -ENOENT);
  CHECK(open_file("/etc/motd", O_CREAT | O_EXCL | O_WRONLY) == -EEXIST);
  CHECK(open_file("/etc/link", O_CREAT | O_EXCL | O_WRONLY) == -EEXIST);
  CHECK(open_file("/etc/link", O_NOFOLLOW) == -ELOOP);
  CHECK(open_file("/etc/motd", O_DIRECTORY) == -ENOTDIR);
  CHECK(open_file("/etc/motd/", O_RDONLY) == -ENOTDIR);
  CHECK(open_file("/etc", O_WRONLY) == -EISDIR);
  CHECK(open_file("/etc/new/", O_CREAT | O_WRONLY) == -EISDIR);
  CHECK(open_file("", O_RDONLY) == -ENOENT);
  CHECK(open_file("/proc/version", O_WRONLY) == -EACCES);
  int64_t fd = open_file("/etc/motd", O_RDWR | O_APPEND);
  strcpy(buffer(), "!");
  CHECK(CALL(SYS_write, (uint64_t)fd, P(buffer()), 1) == 1);
  CHECK(file_holds("/etc/motd", "welcome\n!"));
  CHECK(open_file("/etc/motd", O_WRONLY | O_TRUNC) >= 0);
  CHECK(file_holds("/etc/motd", ""));
}

static void bad_descriptors(void) {
  const uint64_t bad[] = {77, (uint64_t)-1, 1024, INT32_MAX, (uint64_t)INT32_MIN};
  const long calls[] = {SYS_read, SYS_write, SYS_close, SYS_fstat, SYS_lseek, SYS_dup, SYS_fcntl, SYS_ioctl, SYS_fsync,
                        SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_getdents64, SYS_fchdir, SYS_ftruncate, SYS_fchmod};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    for (size_t j = 0; j < sizeof calls / sizeof calls[0]; j++) CHECK(CALL(calls[j], bad[i], P(buffer()), 1) == -EBADF);
  int64_t fd = open_file("/etc/motd", O_RDONLY);
  CHECK(CALL(SYS_write, (uint64_t)fd, P(buffer()), 1) == -EBADF);
  fd = open_file("/etc/motd", O_WRONLY);
  CHECK(CALL(SYS_read, (uint64_t)fd, P(buffer()), 1) == -EBADF);
}

static void descriptors_are_lowest_and_limited(void) {
  CHECK(open_file("/etc/motd", O_RDONLY) == 3);
  CHECK(CALL(SYS_dup, 3) == 4);
  CHECK(CALL(SYS_close, 3) == 0);
  CHECK(CALL(SYS_dup, 4) == 3);
  CHECK(CALL(SYS_dup2, 4, 100) == 100);
  CHECK(CALL(SYS_dup2, 4, 1024) == -EBADF);
  CHECK(CALL(SYS_dup3, 4, 4, 0) == -EINVAL);
  CHECK(CALL(SYS_fcntl, 4, F_DUPFD_CLOEXEC, 50) == 50);
  CHECK(CALL(SYS_fcntl, 50, F_GETFD) == FD_CLOEXEC);
  int64_t last = 0;
  for (int i = 0; i < 1100 && last >= 0; i++) last = CALL(SYS_dup, 4);
  CHECK(last == -EMFILE);
  CHECK(CALL(SYS_close_range, 3, ~0u, 0) == 0);
  CHECK(CALL(SYS_dup, 0) == 3);
}

static void duplicates_share_position(void) {
  int64_t fd = open_file("/etc/motd", O_RDONLY), copy = CALL(SYS_dup, (uint64_t)fd);
  CHECK(CALL(SYS_read, (uint64_t)fd, P(buffer()), 3) == 3);
  CHECK(CALL(SYS_lseek, (uint64_t)copy, 0, SEEK_CUR) == 3);
  CHECK(CALL(SYS_lseek, (uint64_t)copy, 0, SEEK_END) == 8);
  CHECK(CALL(SYS_lseek, (uint64_t)copy, (uint64_t)-9, SEEK_END) == -EINVAL);
  CHECK(CALL(SYS_lseek, (uint64_t)copy, 2, SEEK_DATA) == 2);
  CHECK(CALL(SYS_lseek, (uint64_t)copy, 2, SEEK_HOLE) == 8);
  CHECK(CALL(SYS_lseek, (uint64_t)copy, 8, SEEK_DATA) == -ENXIO);
  CHECK(CALL(SYS_lseek, 0, 0, SEEK_CUR) == -ESPIPE);
}

static void names(void) {
  CHECK(CALL(SYS_mkdir, path("/d"), 0777) == 0);
  CHECK(CALL(SYS_mkdir, path("/d"), 0777) == -EEXIST);
  CHECK(CALL(SYS_mkdir, path("/no/d"), 0777) == -ENOENT);
  CHECK(CALL(SYS_mkdir, path("/d/e/"), 0777) == 0);
  CHECK(CALL(SYS_rmdir, path("/d")) == -ENOTEMPTY);
  CHECK(CALL(SYS_rmdir, path("/etc/motd")) == -ENOTDIR);
  CHECK(CALL(SYS_unlink, path("/d")) == -EISDIR);
  CHECK(CALL(SYS_rmdir, path("/")) == -EBUSY);
  CHECK(CALL(SYS_rmdir, path("/d/e/.")) == -EINVAL);
  write_file("/d/f", "x");
  CHECK(CALL(SYS_link, path("/d/f"), path2("/d/g")) == 0);
  struct stat *stat = (struct stat *)buffer();
  CHECK(CALL(SYS_stat, path("/d/f"), P(stat)) == 0 && stat->st_nlink == 2 && (stat->st_mode & 07777) == 0644);
  CHECK(CALL(SYS_link, path("/d"), path2("/h")) == -EPERM);
  CHECK(CALL(SYS_unlink, path("/d/f")) == 0);
  CHECK(file_holds("/d/g", "x"));
  CHECK(CALL(SYS_symlink, path("/d/g"), path2("/s")) == 0);
  CHECK(file_holds("/s", "x"));
  CHECK(CALL(SYS_readlink, path("/s"), P(buffer()), 100) == 4 && !memcmp(buffer(), "/d/g", 4));
  CHECK(CALL(SYS_readlink, path("/s"), P(buffer()), 2) == 2);
  CHECK(CALL(SYS_readlink, path("/d/g"), P(buffer()), 100) == -EINVAL);
  CHECK(CALL(SYS_stat, path("/d"), P(stat)) == 0 && stat->st_nlink == 3);
}

static void renames(void) {
  write_file("/a", "a");
  write_file("/b", "b");
  CHECK(CALL(SYS_rename, path("/a"), path2("/b")) == 0);
  CHECK(file_holds("/b", "a") && open_file("/a", O_RDONLY) == -ENOENT);
  CHECK(CALL(SYS_rename, path("/a"), path2("/c")) == -ENOENT);
  CHECK(CALL(SYS_mkdir, path("/d"), 0755) == 0 && CALL(SYS_mkdir, path("/d/e"), 0755) == 0);
  CHECK(CALL(SYS_rename, path("/d"), path2("/d/e/f")) == -EINVAL);
  CHECK(CALL(SYS_rename, path("/d"), path2("/d")) == 0);
  CHECK(CALL(SYS_rename, path("/b"), path2("/d")) == -EISDIR);
  CHECK(CALL(SYS_rename, path("/d"), path2("/b")) == -ENOTDIR);
  CHECK(CALL(SYS_rename, path("/empty"), path2("/d")) == -ENOTEMPTY);
  CHECK(CALL(SYS_rename, path("/d"), path2("/empty")) == 0);
  CHECK(CALL(SYS_chdir, path("/empty/e")) == 0);
  CHECK(CALL(SYS_getcwd, P(buffer()), 100) == 9 && !strcmp(buffer(), "/empty/e"));
  CHECK(CALL(SYS_renameat2, AT_FDCWD, path("/b"), AT_FDCWD, path2("/etc/motd"), 1) == -EEXIST);
  CHECK(CALL(SYS_renameat2, AT_FDCWD, path("/b"), AT_FDCWD, path2("/etc/motd"), 2) == 0);
  CHECK(file_holds("/b", "welcome\n") && file_holds("/etc/motd", "a"));
}

static void removed_directory(void) {
  CHECK(CALL(SYS_mkdir, path("/d"), 0755) == 0 && CALL(SYS_chdir, path("/d")) == 0);
  CHECK(CALL(SYS_rmdir, path("/d")) == 0);
  CHECK(CALL(SYS_getcwd, P(buffer()), 100) == -ENOENT);
  CHECK(open_file("f", O_CREAT | O_WRONLY) == -ENOENT);
  CHECK(CALL(SYS_mkdir, path("e"), 0755) == -ENOENT);
  CHECK(CALL(SYS_chdir, path("/")) == 0);
}

static void unlinked_file_lives_on(void) {
  write_file("/f", "alive");
  int64_t fd = open_file("/f", O_RDONLY);
  CHECK(CALL(SYS_unlink, path("/f")) == 0);
  CHECK(CALL(SYS_read, (uint64_t)fd, P(buffer()), 100) == 5);
  struct stat *stat = (struct stat *)buffer();
  CHECK(CALL(SYS_fstat, (uint64_t)fd, P(stat)) == 0 && stat->st_nlink == 0);
  CHECK(CALL(SYS_close, (uint64_t)fd) == 0);
}

static void hostile_paths(void) {
  CHECK(CALL(SYS_symlink, path("loop"), path2("/loop")) == 0);
  CHECK(open_file("/loop", O_RDONLY) == -ELOOP);
  char *long_name = buffer();
  memset(long_name, 'n', 5000);
  long_name[5000] = 0;
  CHECK(CALL(SYS_open, P(long_name), 0) == -ENAMETOOLONG);
  long_name[256] = 0;
  CHECK(CALL(SYS_open, P(long_name), O_CREAT | O_WRONLY, 0644) == -ENAMETOOLONG);
  long_name[255] = 0;
  CHECK(CALL(SYS_open, P(long_name), O_CREAT | O_WRONLY, 0644) >= 0);
  CHECK(file_holds("/../../../etc/motd", "welcome\n"));
  memset(long_name, '/', 4000);
  strcpy(long_name + 4000, "etc/motd");
  CHECK(CALL(SYS_open, P(long_name), O_RDONLY) >= 0);
  /* A path that runs to the last byte of the program's memory without an end. */
  memset(scratch + 64 * KIB - 10, 'x', 10);
  int64_t result = CALL(SYS_open, P(scratch + 64 * KIB - 10), O_RDONLY);
  CHECK(result == -EFAULT || result == -ENOENT || result == -ENAMETOOLONG);
}

static void listing_survives_changes(void) {
  char name[32], seen[64] = {0};
  for (int i = 0; i < 60; i++) {
    snprintf(name, sizeof name, "/empty/%02d", i);
    write_file(name, "");
  }
  int64_t fd = open_file("/empty", O_RDONLY | O_DIRECTORY), got;
  bool removed = false;
  while ((got = CALL(SYS_getdents64, (uint64_t)fd, P(buffer()), 256)) > 0) {
    for (int64_t at = 0; at < got; at += *(uint16_t *)(buffer() + at + 16)) {
      const char *entry = buffer() + at + 19;
      if (entry[0] != '.') CHECK(!seen[atoi(entry)]++);
    }
    if (!removed) /* what was listed, and what was not yet */
      for (int i = 0; i < 60; i += 7) {
        snprintf(name, sizeof name, "/empty/%02d", i);
        CHECK(CALL(SYS_unlink, path(name)) == 0);
      }
    removed = true;
  }
  CHECK(got == 0);
  for (int i = 0; i < 60; i++) CHECK(seen[i] == 1 || (i % 7 == 0 && seen[i] <= 1));
  CHECK(CALL(SYS_lseek, (uint64_t)fd, 0, SEEK_SET) == 0);
  CHECK(CALL(SYS_getdents64, (uint64_t)fd, P(buffer()), 8) == -EINVAL);
}

static void vectors(void) {
  struct iovec *parts = (struct iovec *)buffer();
  strcpy(scratch, "onetwo");
  parts[0] = (struct iovec){scratch, 3};
  parts[1] = (struct iovec){scratch + 3, 3};
  parts[2] = (struct iovec){NULL, 0};
  CHECK(CALL(SYS_writev, 1, P(parts), 3) == 6);
  CHECK(shim.output_length == 6 && !memcmp(shim.output, "onetwo", 6));
  CHECK(CALL(SYS_writev, 1, P(parts), 1025) == -EINVAL);
  CHECK(CALL(SYS_writev, 1, P(parts), (uint64_t)-1) == -EINVAL);
  parts[1].iov_base = (void *)8;
  CHECK(CALL(SYS_writev, 1, P(parts), 2) == 3);
  parts[0].iov_len = SIZE_MAX;
  CHECK(CALL(SYS_writev, 1, P(parts), 2) == -EINVAL);
  parts[0] = (struct iovec){(void *)16, 4};
  CHECK(CALL(SYS_readv, 0, P(parts), 1) == -EFAULT);
}

static void attributes(void) {
  struct stat *stat = (struct stat *)buffer();
  CHECK(CALL(SYS_stat, path("/etc/motd"), P(stat)) == 0);
  CHECK(stat->st_size == 8 && stat->st_mtime == 1600000000 && stat->st_mode == (S_IFREG | 0644));
  CHECK(CALL(SYS_chmod, path("/etc/motd"), 04755) == 0 && CALL(SYS_chown, path("/etc/motd"), 5, 6) == 0);
  int64_t *times = (int64_t *)(scratch + 4096);
  times[0] = -5, times[1] = 250000000, times[2] = 7, times[3] = 0;
  CHECK(CALL(SYS_utimensat, AT_FDCWD, path("/etc/motd"), P(times), 0) == 0);
  CHECK(CALL(SYS_stat, path("/etc/motd"), P(stat)) == 0);
  CHECK(stat->st_mode == (S_IFREG | 0755) && stat->st_uid == 5 && stat->st_gid == 6);
  CHECK(stat->st_atime == -5 && stat->st_atim.tv_nsec == 250000000 && stat->st_mtime == 7);
  CHECK(CALL(SYS_access, path("/etc/motd"), 1) == 0 && CALL(SYS_chmod, path("/etc/motd"), 0644) == 0);
  CHECK(CALL(SYS_access, path("/etc/motd"), 1) == -EACCES && CALL(SYS_access, path("/etc/motd"), 6) == 0);
  times[1] = 2000000000;
  CHECK(CALL(SYS_utimensat, AT_FDCWD, path("/etc/motd"), P(times), 0) == -EINVAL);
  CHECK(CALL(SYS_newfstatat, 0, path(""), P(stat), AT_EMPTY_PATH) == 0);
}

static void times_at_the_end_of_time(void) {
  struct stat *stat = (struct stat *)(scratch + 4096);
  shim.monotonic_ns = (1ul << 63) - 1700000000000000000u; /* real time has just left what 64 bits with a sign can count */
  CHECK(open_file("/late", O_CREAT | O_WRONLY) >= 0 && CALL(SYS_stat, path("/late"), P(stat)) == 0);
  CHECK(stat->st_mtime == -9223372037 && stat->st_mtim.tv_nsec < 1000000000);
}

static void copies(void) {
  int64_t in = open_file("/etc/motd", O_RDONLY), out = open_file("/copy", O_CREAT | O_RDWR);
  CHECK(CALL(SYS_sendfile, 1, (uint64_t)in, 0, 100) == 8 && !memcmp(shim.output, "welcome\n", 8));
  uint64_t *offset = (uint64_t *)buffer();
  *offset = 3;
  CHECK(CALL(SYS_sendfile, (uint64_t)out, (uint64_t)in, P(offset), 100) == 5 && *offset == 8);
  CHECK(file_holds("/copy", "come\n"));
  *offset = 0;
  CHECK(CALL(SYS_copy_file_range, (uint64_t)in, P(offset), (uint64_t)out, 0, 3, 0) == 3);
  CHECK(file_holds("/copy", "come\nwel"));
  *offset = (uint64_t)-1;
  CHECK(CALL(SYS_sendfile, (uint64_t)out, (uint64_t)in, P(offset), 100) == -EINVAL);
  CHECK(CALL(SYS_sendfile, (uint64_t)out, (uint64_t)in, 8, 100) == -EFAULT);
}

static void proc(void) {
  CHECK(CALL(SYS_readlink, path("/proc/self/exe"), P(buffer()), 100) == 5 && !memcmp(buffer(), "/prog", 5));
  CHECK(file_holds("/proc/self/comm", "prog\n"));
  CHECK(file_holds("/proc/sys/kernel/hostname", "box\n"));
  int64_t fd = open_file("/etc/motd", O_RDONLY);
  char name[40];
  snprintf(name, sizeof name, "/proc/self/fd/%d", (int)fd);
  CHECK(CALL(SYS_readlink, path(name), P(buffer()), 100) == 9 && !memcmp(buffer(), "/etc/motd", 9));
  CHECK(file_holds(name, "welcome\n"));
  CHECK(open_file("/proc/self/fd/77", O_RDONLY) == -ENOENT);
  CHECK(open_file("/proc/self/fd/3x", O_RDONLY) == -ENOENT);
  CHECK(open_file("/proc/self/fd/new", O_CREAT | O_WRONLY) == -EACCES);
  fd = open_file("/proc/meminfo", O_RDONLY);
  CHECK(CALL(SYS_read, (uint64_t)fd, P(buffer()), 4000) > 100 && strstr(buffer(), "MemFree:"));
}

/* Positions are 64 bits wide; where there is nothing, nothing is listed and nothing read. */
static void seeks_beyond_the_end(void) {
  static const char *const places[] = {"/proc/self/fd", "/proc/self", "/etc", "/", "/proc/self/maps", "/proc/version"};
  static const uint64_t far[] = {1024, 1026, 1027, INT32_MAX, 0x80000000, 0x80000001, 0x80000002, UINT32_MAX, 1ul << 32,
                                 (1ul << 32) + 2, INT64_MAX - 1, INT64_MAX};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    int64_t fd = open_file(places[i], O_RDONLY);
    for (size_t j = 0; j < sizeof far / sizeof far[0]; j++) {
      if (!strcmp(places[i], "/proc/self/maps") && far[j] < 65536) continue; /* may be that long */
      CHECK(CALL(SYS_lseek, (uint64_t)fd, far[j], SEEK_SET) == (int64_t)far[j]);
      bool directory = i < 4;
      CHECK(CALL(directory ? SYS_getdents64 : SYS_read, (uint64_t)fd, P(buffer()), 4096) == 0);
      CHECK(!directory || CALL(SYS_getdents, (uint64_t)fd, P(buffer()), 4096) == 0);
    }
    CHECK(CALL(SYS_lseek, (uint64_t)fd, 0, SEEK_SET) == 0);
    CHECK(CALL(i < 4 ? SYS_getdents64 : SYS_read, (uint64_t)fd, P(buffer()), 4096) > 0);
    CHECK(CALL(SYS_close, (uint64_t)fd) == 0);
  }
}

/* A link of /proc/self/fd is opened itself, closed again, and still there. */
static void links_outlive_descriptors(void) {
  for (int round = 0; round < 3; round++) {
    int64_t fd = open_file("/proc/self/fd/1", O_PATH | O_NOFOLLOW);
    CHECK(fd >= 0 && CALL(SYS_close, (uint64_t)fd) == 0);
    write_file("/new", "new");
    CHECK(CALL(SYS_readlink, path("/proc/self/fd/1"), P(buffer()), 100) > 5 && !memcmp(buffer(), "pipe:", 5));
    CHECK(file_holds("/new", "new") && CALL(SYS_unlink, path("/new")) == 0);
  }
}

const struct test file_tests[] = {
  {"a file of the archive is read where it lies, by any path to it", reads_in_place},
  {"a file of the archive is copied on its first write, and gaps read as zeroes", copies_on_write},
  {"cutting a file and growing it again leaves zeroes", truncate_leaves_zeroes},
  {"a file grows to megabytes and keeps every byte", grows_large_files},
  {"gaps in a file cost no memory and read as zeroes", gaps_cost_nothing},
  {"a full memory is ENOSPC for files, and deleting makes room", full_is_enospc},
  {"open honours its flags and refuses as Linux does", open_flags},
  {"a descriptor that is not open is EBADF in every call", bad_descriptors},
  {"descriptors are the lowest free ones, at most 1024", descriptors_are_lowest_and_limited},
  {"duplicated descriptors share their position, and lseek knows every whence", duplicates_share_position},
  {"mkdir, rmdir, link, symlink and unlink keep the rules of names", names},
  {"rename replaces, refuses and exchanges as Linux does", renames},
  {"a removed working directory takes no new files", removed_directory},
  {"an unlinked file lives until its last descriptor closes", unlinked_file_lives_on},
  {"symlink loops, endless names and paths without an end are errors", hostile_paths},
  {"a listing neither repeats nor hides entries while others come and go", listing_survives_changes},
  {"vectors are written as one, and bad ones refused", vectors},
  {"modes, owners and times are kept, also before 1970", attributes},
  {"times at the end of what can be counted are told", times_at_the_end_of_time},
  {"sendfile and copy_file_range move bytes and positions", copies},
  {"proc tells about the program, its files and the machine", proc},
  {"directories and files of proc have nothing behind their end, however far", seeks_beyond_the_end},
  {"a link of /proc/self/fd outlives descriptors of the link itself", links_outlive_descriptors},
  {0},
};
