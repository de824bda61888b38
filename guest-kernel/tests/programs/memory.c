/* malloc under pressure, mmap in all its forms, and memory that runs out. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

static uint32_t seed = 1;
static uint32_t draw(void) { return seed = seed * 1664525u + 1013904223u, seed >> 8; }

static void heap(void) {
  enum { BLOCKS = 500 };
  static unsigned char *blocks[BLOCKS];
  static size_t sizes[BLOCKS];
  for (int i = 0; i < 60000; i++) {
    unsigned n = draw() % BLOCKS;
    size_t size = draw() % 10 ? draw() % 2000 : draw() % 100000;
    if (blocks[n])
      for (size_t at = 0; at < sizes[n]; at += 1 + sizes[n] / 7) CHECK(blocks[n][at] == (unsigned char)n);
    if (draw() % 3 == 0) {
      free(blocks[n]);
      blocks[n] = NULL;
      sizes[n] = 0;
      continue;
    }
    blocks[n] = realloc(blocks[n], size + 1);
    CHECK(blocks[n]);
    if (size > sizes[n]) memset(blocks[n] + sizes[n], (int)n, size - sizes[n]);
    sizes[n] = size;
  }
  for (int n = 0; n < BLOCKS; n++) free(blocks[n]);
  PASS("malloc, realloc, free");
}

static void growing(void) {
  size_t size = 4096;
  unsigned char *block = malloc(size);
  memset(block, 1, size);
  while (size < 24u << 20) {
    block = realloc(block, size * 2);
    CHECK(block && block[0] == 1 && block[size - 1] == 1);
    memset(block + size, 1, size);
    size *= 2;
  }
  free(block);
  PASS("a block grows to 32 MiB");
}

static void maps(void) {
  char *a = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(a != MAP_FAILED);
  for (int i = 0; i < 1 << 20; i += 512) CHECK(a[i] == 0);
  memset(a, 5, 1 << 20);
  CHECK(mmap(a + 8192, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == a + 8192);
  CHECK(a[8191] == 5 && a[8192] == 0 && a[12288] == 5);
  a = mremap(a, 1 << 20, 3 << 20, MREMAP_MAYMOVE);
  CHECK(a != MAP_FAILED && a[0] == 5 && a[8192] == 0 && a[(3 << 20) - 1] == 0);
  CHECK(madvise(a, 4096, MADV_DONTNEED) == 0 && a[0] == 0 && a[4096] == 5);
  CHECK(munmap(a, 3 << 20) == 0);
  int fd = open("/tmp/mapped", O_CREAT | O_RDWR | O_TRUNC, 0600);
  CHECK(write(fd, "hello", 5) == 5);
  char *f = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  CHECK(f != MAP_FAILED && !memcmp(f, "hello\0", 6));
  f[0] = 'j';
  char back[6] = {0};
  CHECK(pread(fd, back, 5, 0) == 5 && !strcmp(back, "hello"));
  close(fd);
  unlink("/tmp/mapped");
  unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code, "\xb8\x2a\0\0\0\xc3", 6); /* mov $42, %eax; ret */
  CHECK(((int (*)(void))(uintptr_t)code)() == 42);
  PASS("mmap, mremap, madvise, generated code");
}

static void exhaustion(void) {
  size_t huge = (size_t)1 << 46;
  CHECK(malloc(huge) == NULL && errno == ENOMEM);
  CHECK(mmap(NULL, huge * 4, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
  void *after = malloc(1 << 20);
  CHECK(after);
  free(after);
  PASS("too much memory is ENOMEM");
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  heap();
  growing();
  maps();
  exhaustion();
  return 0;
}
