/* brk, mmap and what happens to pointers that are not the program's. */
#include "test.h"

static void mmap_gives_zeroes(void) {
  char *a = map(MIB);
  CHECK(a && !((uintptr_t)a & 4095));
  memset(a, 0xff, MIB);
  CHECK(CALL(SYS_munmap, P(a), MIB) == 0);
  CHECK(CALL(SYS_write, 1, P(a), 1) == -EFAULT);
  char *b = map(2 * MIB);
  for (size_t i = 0; i < 2 * MIB; i++) CHECK(b[i] == 0);
  CHECK(CALL(SYS_mmap, 0, 0, 3, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0) == -EINVAL);
  CHECK(CALL(SYS_mmap, 0, 1ul << 46, 3, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0) == -ENOMEM);
  CHECK(CALL(SYS_mmap, 0, UINT64_MAX, 3, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0) == -ENOMEM);
  CHECK(CALL(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 5) == -EINVAL);
}

static void exhausted_is_enomem(void) {
  size_t count = 0;
  while (map(MIB)) count++;
  CHECK(count > 20 && count < 32);
  CHECK(CALL(SYS_open, path("/f"), O_CREAT | O_WRONLY, 0644) >= 0);
  CHECK(CALL(SYS_mmap, 0, MIB, 3, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0) == -ENOMEM);
}

static void partial_unmap(void) {
  char *a = map(10 * 4096);
  CHECK(CALL(SYS_munmap, P(a + 4096), 4096) == 0);
  CHECK(CALL(SYS_write, 1, P(a), 4096) == 4096);
  CHECK(CALL(SYS_write, 1, P(a), 4097) == -EFAULT);
  CHECK(CALL(SYS_write, 1, P(a + 8192), 8 * 4096) == 8 * 4096);
  CHECK(CALL(SYS_munmap, P(a), 10 * 4096) == 0);
  CHECK(CALL(SYS_munmap, P(a + 1), 4096) == -EINVAL);
  CHECK(CALL(SYS_munmap, 0, UINT64_MAX) == -EINVAL);
  CHECK(CALL(SYS_munmap, 0x10000, 4096) == 0);
}

static void fixed(void) {
  char *a = map(4 * 4096);
  memset(a, 1, 4 * 4096);
  uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  CHECK(CALL(SYS_mmap, P(a + 4096), 4096, 3, flags, (uint64_t)-1, 0) == (int64_t)P(a + 4096));
  CHECK(a[0] == 1 && a[4096] == 0 && a[8192] == 1);
  CHECK(CALL(SYS_mmap, P(a) + 1, 4096, 3, flags, (uint64_t)-1, 0) == -EINVAL);
  CHECK(CALL(SYS_mmap, 0x10000, 4096, 3, flags, (uint64_t)-1, 0) == -ENOMEM);
  CHECK(CALL(SYS_mmap, P(a), 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, (uint64_t)-1, 0) == -EEXIST);
  struct memory_window window = platform_memory();
  CHECK(CALL(SYS_mmap, P(window.base), 4096, 3, flags, (uint64_t)-1, 0) == -ENOMEM);
}

static void remaps(void) {
  char *a = map(2 * 4096);
  memset(a, 7, 2 * 4096);
  int64_t moved = CALL(SYS_mremap, P(a), 2 * 4096, 64 * 4096, MREMAP_MAYMOVE);
  CHECK(moved > 0);
  char *b = (char *)moved;
  CHECK(b[0] == 7 && b[8191] == 7 && b[8192] == 0 && b[64 * 4096 - 1] == 0);
  CHECK(CALL(SYS_mremap, P(b), 64 * 4096, 4096, 0) == moved);
  CHECK(CALL(SYS_write, 1, P(b), 4097) == -EFAULT);
  CHECK(CALL(SYS_mremap, P(b), 4096, 0, 0) == -EINVAL);
  CHECK(CALL(SYS_mremap, P(b), 4096, UINT64_MAX - 4095, MREMAP_MAYMOVE) == -ENOMEM);
  CHECK(CALL(SYS_mremap, 0x10000, 4096, 8192, MREMAP_MAYMOVE) == -EFAULT);
}

static void files_are_copied(void) {
  int64_t fd = open_file("/etc/motd", O_RDWR);
  int64_t at = CALL(SYS_mmap, 0, 5000, PROT_READ | PROT_WRITE, MAP_PRIVATE, (uint64_t)fd, 0);
  CHECK(at > 0 && !memcmp((char *)at, "welcome\n\0", 9));
  *(char *)at = 'W';
  CHECK(file_holds("/etc/motd", "welcome\n"));
  CHECK(CALL(SYS_mmap, 0, 5000, PROT_READ, MAP_SHARED, (uint64_t)fd, 0) > 0);
  CHECK(CALL(SYS_mmap, 0, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, (uint64_t)fd, 0) == -ENODEV);
  CHECK(CALL(SYS_mmap, 0, 5000, PROT_READ, MAP_PRIVATE, 1, 0) == -EACCES);
  CHECK(CALL(SYS_mmap, 0, 5000, PROT_READ, MAP_PRIVATE, 99, 0) == -EBADF);
}

static void break_moves(void) {
  int64_t start = CALL(SYS_brk, 0);
  CHECK(CALL(SYS_brk, (uint64_t)start + 100000) == start + 100000);
  memset((char *)start, 5, 100000);
  CHECK(CALL(SYS_brk, (uint64_t)start + 10) == start + 10);
  CHECK(CALL(SYS_brk, (uint64_t)start + 100000) == start + 100000);
  CHECK(((char *)start)[9] == 5 && ((char *)start)[10] == 0 && ((char *)start)[50000] == 0);
  CHECK(CALL(SYS_brk, UINT64_MAX) == start + 100000);
  CHECK(CALL(SYS_brk, 1ul << 46) == start + 100000);
  CHECK(CALL(SYS_brk, (uint64_t)start) == start);
  CHECK(CALL(SYS_write, 1, (uint64_t)start, 1) == -EFAULT);
}

static void rights_are_kept(void) {
  char *a = map(2 * 4096);
  CHECK(CALL(SYS_mprotect, P(a), 4096, PROT_READ) == 0);
  CHECK(CALL(SYS_read, 0, P(a), 10) == -EFAULT);
  CHECK(CALL(SYS_write, 1, P(a), 10) == 10);
  CHECK(CALL(SYS_mprotect, P(a), 4096, 0) == 0);
  CHECK(CALL(SYS_write, 1, P(a), 10) == -EFAULT);
  CHECK(CALL(SYS_mprotect, P(a), 1ul << 40, PROT_READ) == -ENOMEM);
  CHECK(CALL(SYS_mprotect, P(a) + 1, 4096, PROT_READ) == -EINVAL);
  CHECK(CALL(SYS_mprotect, P(a), 4096, 0xff) == -EINVAL);
}

/* Every call with a pointer, and every pointer that is not the program's. */
static void bad_pointers(void) {
  struct memory_window window = platform_memory();
  static int kernel_data;
  const uint64_t bad[] = {0, 1, 4095, 0x10000, P(window.base), P(window.base) + window.size - 8, P(window.base) + window.size,
                          P(&kernel_data), 1ul << 47, UINT64_MAX, UINT64_MAX - 7, 0x404000, 0xffff800000000000};
  int64_t fd = open_file("/etc/motd", O_RDWR);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    uint64_t p = bad[i];
    CHECK(CALL(SYS_write, 1, p, 8) == -EFAULT);
    CHECK(CALL(SYS_read, (uint64_t)fd, p, 8) == -EFAULT);
    CHECK(CALL(SYS_open, p, O_RDONLY) == -EFAULT);
    CHECK(CALL(SYS_stat, path("/etc"), p) == -EFAULT);
    CHECK(CALL(SYS_fstat, 1, p) == -EFAULT);
    CHECK(CALL(SYS_getcwd, p, 100) == -EFAULT);
    CHECK(CALL(SYS_uname, p) == -EFAULT);
    CHECK(CALL(SYS_getrandom, p, 8, 0) == -EFAULT);
    CHECK(CALL(SYS_pipe2, p, 0) == -EFAULT);
    CHECK(CALL(SYS_clock_gettime, 0, p) == -EFAULT);
    CHECK(CALL(SYS_nanosleep, p, 0) == -EFAULT);
    CHECK(CALL(SYS_poll, p, 1, 0) == -EFAULT);
    CHECK(CALL(SYS_readv, (uint64_t)fd, p, 1) == -EFAULT);
    CHECK(CALL(SYS_sysinfo, p) == -EFAULT);
    CHECK(CALL(SYS_getrusage, 0, p) == -EFAULT);
    CHECK(CALL(SYS_rename, path("/etc/motd"), p) == -EFAULT);
    CHECK(CALL(SYS_rt_sigaction, SIGUSR1, p ? p : 1, 0, 8) == -EFAULT);
    CHECK(CALL(SYS_rt_sigpending, p, 8) == -EFAULT);
    int64_t directory = open_file("/etc", O_RDONLY);
    CHECK(CALL(SYS_getdents64, (uint64_t)directory, p, 1000) == -EFAULT);
    CHECK(CALL(SYS_close, (uint64_t)directory) == 0);
  }
  char *last = map(4096);
  CHECK(CALL(SYS_munmap, P(last) + 4096, 4096) == 0);
  CHECK(CALL(SYS_write, 1, P(last), UINT64_MAX) == -EFAULT);
  CHECK(CALL(SYS_write, 1, P(last) + 4095, 0) == 0);
}

static void image_rights(void) {
  CHECK(CALL(SYS_write, 1, 0x400000, 4) == 4 && !memcmp(shim.output, "\177ELF", 4));
  CHECK(CALL(SYS_write, 1, 0x402000, 0x2000) == 0x2000);
  CHECK(CALL(SYS_write, 1, 0x402000, 0x2001) == -EFAULT);
  CHECK(CALL(SYS_read, 0, 0x400000, 4) == -EFAULT && CALL(SYS_read, 0, 0x401000, 4) == -EFAULT);
  CHECK(CALL(SYS_mprotect, 0x400000, 0x2000, PROT_READ) == 0);
  CHECK(CALL(SYS_mprotect, 0x400000, 0x1000, PROT_READ | PROT_WRITE) == -EACCES);
  CHECK(CALL(SYS_mprotect, 0x402000, 0x1000, PROT_READ) == 0);
  CHECK(CALL(SYS_read, 0, 0x402000, 4) == -EFAULT);
  CHECK(CALL(SYS_mprotect, 0x402000, 0x1000, PROT_READ | PROT_WRITE) == 0);
  shim.input = "data", shim.input_length = 4;
  CHECK(CALL(SYS_read, 0, 0x402000, 4) == 4 && CALL(SYS_write, 1, 0x402000, 4) == 4);
  int64_t fd = open_file("/prog", O_RDONLY); /* the file is not what the program writes into its memory */
  CHECK(CALL(SYS_pread64, (uint64_t)fd, P(buffer()), 4, 0x2000) == 4 && !memcmp(buffer(), "\0\0\0\0", 4));
}

static void ranges_across_segments(void) {
  CHECK(CALL(SYS_write, 1, 0x400000, 0x4000) == 0x4000 && !memcmp(shim.output, "\177ELF", 4));
  CHECK(CALL(SYS_write, 1, 0x400ff0, 0x20) == 0x20 && CALL(SYS_write, 1, 0x400000, 0x4001) == -EFAULT);
  CHECK(CALL(SYS_getrandom, 0x401ff0, 0x20, 0) == -EFAULT && CALL(SYS_getrandom, 0x402ff0, 0x20, 0) == 0x20);
}

static void does_not_leak(void) {
  uint64_t *info = (uint64_t *)buffer();
  uint64_t before = 0, after;
  for (int round = 0; round < 3; round++) {
    write_file("/f", "x");
    CHECK(CALL(SYS_truncate, path("/f"), 3 * MIB) == 0);
    CHECK(CALL(SYS_unlink, path("/f")) == 0);
    CHECK(CALL(SYS_munmap, P(map(MIB)), MIB) == 0);
    CHECK(CALL(SYS_mkdir, path("/d"), 0755) == 0 && CALL(SYS_rmdir, path("/d")) == 0);
    int *ends = (int *)scratch;
    CHECK(CALL(SYS_pipe2, P(ends), 0) == 0);
    CHECK(CALL(SYS_close, (uint64_t)ends[0]) == 0 && CALL(SYS_close, (uint64_t)ends[1]) == 0);
    CHECK(file_holds("/proc/self/comm", "prog\n"));
    CHECK(CALL(SYS_sysinfo, P(info)) == 0);
    after = info[5]; /* freeram */
    if (round == 1) before = after;
  }
  CHECK(before == after);
}

const struct test memory_tests[] = {
  {"mmap gives zeroes, also where memory was used before", mmap_gives_zeroes},
  {"exhausted memory is ENOMEM, and the kernel goes on", exhausted_is_enomem},
  {"munmap frees any pages, and they are the program's no more", partial_unmap},
  {"MAP_FIXED replaces the program's own pages only", fixed},
  {"mremap grows, shrinks and moves", remaps},
  {"a mapped file is a private copy, and a shared writable one is refused", files_are_copied},
  {"the break moves, and memory it comes back to is zero", break_moves},
  {"mprotect counts for system calls", rights_are_kept},
  {"a pointer that is not the program's is EFAULT in every call", bad_pointers},
  {"the image is the program's with the rights of its segments", image_rights},
  {"a range may cross segments that lie apart in the kernel's memory", ranges_across_segments},
  {"files, maps, directories and pipes leave no memory behind", does_not_leak},
  {0},
};
