/*
 * Writes ever higher numbers round and round over the first blocks of /dev/vda, and reads each block again just before
 * it is overwritten: a write that was lost, or done again after a later one, shows. `disk-sequence ROUNDS`.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCKS 24
#define BLOCK 512

static unsigned long expected[BLOCKS];

static int check(int disk, unsigned block) {
  unsigned long found[BLOCK / sizeof(unsigned long)];
  if (pread(disk, found, BLOCK, (off_t)block * BLOCK) != BLOCK) return 0;
  for (unsigned i = 0; i < BLOCK / sizeof *found; i++) {
    if (found[i] == expected[block]) continue;
    printf("FAIL block %u holds %lu at %u where %lu was written\n", block, found[i], i, expected[block]);
    return 0;
  }
  return 1;
}

int main(int argc, char **argv) {
  const unsigned long rounds = strtoul(argc > 1 ? argv[1] : "100", NULL, 10);
  unsigned long number = 0;
  int disk = open("/dev/vda", O_RDWR);
  if (disk < 0) return 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (unsigned long round = 0; round < rounds; round++) {
    for (unsigned block = 0; block < BLOCKS; block++) {
      unsigned long bytes[BLOCK / sizeof(unsigned long)];
      if (round && !check(disk, block)) return 1;
      expected[block] = ++number;
      for (unsigned i = 0; i < BLOCK / sizeof *bytes; i++) bytes[i] = number;
      if (pwrite(disk, bytes, BLOCK, (off_t)block * BLOCK) != BLOCK) return 1;
    }
    printf("round %lu\n", round);
  }
  if (fsync(disk)) return 1;
  for (unsigned block = 0; block < BLOCKS; block++)
    if (!check(disk, block)) return 1;
  puts("PASS disk-sequence");
  return 0;
}
