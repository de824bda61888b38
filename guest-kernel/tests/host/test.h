/* A test is a sentence and a function. What they share: calls, checks, and a piece of the program's memory. */
#ifndef HOST_TEST_H
#define HOST_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include "fixture.h"

struct test {
  const char *sentence;
  void (*run)(void);
  tree_writer *tree; /* when the test is about another tree than the usual; it then looks itself whether that booted */
};
extern const struct test file_tests[], stream_tests[], memory_tests[], process_tests[], boot_tests[], block_tests[],
  net_tests[], tty_tests[], virtqueue_tests[]; /* ended by an empty one */

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      printf("%s:%d: not so: %s\n%s", __FILE__, __LINE__, #condition, shim.log); \
      exit(1); \
    } \
  } while (0)
#define CALL(number, ...) shim_call(number, (const uint64_t[6]){__VA_ARGS__})
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))
#define KIB 1024ul
#define MIB (1024 * KIB)

extern char *scratch; /* program memory for arguments: 64 KiB, the first page for paths */

static inline uint64_t path(const char *text) { return P(strcpy(scratch, text)); }
static inline uint64_t path2(const char *text) { return P(strcpy(scratch + 4096, text)); }
static inline char *buffer(void) { return scratch + 8192; }

static inline void *map(size_t bytes) {
  int64_t at = CALL(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
  return at < 0 && at > -4096 ? NULL : (void *)at;
}

static inline int64_t open_file(const char *name, int flags) { return CALL(SYS_open, path(name), (uint64_t)flags, 0644); }

static inline void write_file(const char *name, const char *text) {
  int64_t fd = open_file(name, O_CREAT | O_WRONLY | O_TRUNC);
  strcpy(buffer(), text);
  CHECK(fd >= 0 && CALL(SYS_write, (uint64_t)fd, P(buffer()), strlen(text)) == (int64_t)strlen(text));
  CHECK(CALL(SYS_close, (uint64_t)fd) == 0);
}

static inline bool file_holds(const char *name, const char *text) {
  int64_t fd = open_file(name, O_RDONLY);
  if (fd < 0) return false;
  int64_t count = CALL(SYS_read, (uint64_t)fd, P(buffer()), 4096);
  CALL(SYS_close, (uint64_t)fd);
  return count == (int64_t)strlen(text) && !memcmp(buffer(), text, (size_t)count);
}

#endif
