/* Writable data 27 MiB away from the rest (linked with --section-start=.farrw=0x2000000): what lies between is nobody's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096ul
#define MIB (1024 * 1024ul)

__attribute__((section(".farrw"))) static volatile int far = 7;
static volatile int near = 5;

static void apart(void) {
  uintptr_t from = (uintptr_t)&near, to = (uintptr_t)&far;
  CHECK(to > from && to - from > 20 * MIB);
  far += near;
  CHECK(far == 12);
  PASS("data far apart is there");
}

/* Linux may put something of its own there, such as the vDSO of a static-PIE program, and says so. proc(5) */
static int is_of_kernel(uintptr_t address) {
  FILE *maps = fopen("/proc/self/maps", "r");
  unsigned long from, to;
  char line[512];
  int found = 0;
  while (maps && !found && fgets(line, sizeof line, maps))
    found = sscanf(line, "%lx-%lx", &from, &to) == 2 && address >= from && address < to;
  if (maps)
    fclose(maps);
  return found;
}

static void between(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  uintptr_t far_page = (uintptr_t)&far & ~(PAGE - 1);
  for (uintptr_t gap = far_page - PAGE; gap > far_page - 20 * MIB; gap -= 16 * PAGE) {
    if (is_of_kernel(gap))
      continue;
    CHECK(write(ends[1], (void *)gap, 1) == -1 && errno == EFAULT);
    CHECK(mprotect((void *)gap, PAGE, PROT_NONE) == -1 && errno == ENOMEM);
  }
  CHECK(mprotect((void *)(far_page - MIB), MIB + PAGE, PROT_READ | PROT_WRITE) == -1 && errno == ENOMEM);
  PASS("between them is EFAULT and ENOMEM");
}

static void stack_stays(void) {
  int ends[2];
  char local[64] = "on the stack", back[64];
  CHECK(pipe(ends) == 0);
  CHECK(write(ends[1], local, sizeof local) == sizeof local && read(ends[0], back, sizeof back) == sizeof back);
  CHECK(!strcmp(back, local));
  PASS("the stack stays the program's");
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  apart();
  between();
  stack_stays();
  return 0;
}
