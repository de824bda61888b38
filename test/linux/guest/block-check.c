/*
 * Writes a disk at random places, several requests under way at a time, and reads everything back. Every block says
 * where it belongs and when it was written, under a checksum: one that is lost, old or in the wrong place is found.
 *
 *   block-check FILE BYTES DEPTH ROUNDS SEED     past the page cache (O_DIRECT), by io_submit(2)
 *
 * Prints what it did. Ends with 1 at the first block that is not what was written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS_MOST = 1 << 16, RUN_MOST = 16, DEPTH_MOST = 64 };

struct block {
  uint64_t number, written;
  uint32_t words[(BLOCK - 24) / 4];
  uint64_t sum;
};

static uint64_t state;
/* The round in which each block was last written; 0: never. */
static uint64_t written[BLOCKS_MOST];
static struct request { struct iocb cb; uint64_t first, count; struct block *blocks; } requests[DEPTH_MOST];

static void die(const char *what)
{
  perror(what);
  exit(1);
}

static uint64_t random_below(uint64_t limit) /* xorshift64* */
{
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return (state * 2685821657736338717u >> 16) % limit;
}

/* FNV-1a, a word at a time. */
static uint64_t sum_of(const struct block *block)
{
  uint64_t sum = 14695981039346656037u;
  const uint64_t *words = (const uint64_t *)block;

  for (size_t i = 0; i < offsetof(struct block, sum) / 8; i++) sum = (sum ^ words[i]) * 1099511628211u;
  return sum;
}

static void fill(struct block *block, uint64_t number, uint64_t round)
{
  uint32_t word = (uint32_t)(number * 2654435761u ^ round);

  block->number = number;
  block->written = round;
  for (size_t i = 0; i < sizeof(block->words) / 4; i++) block->words[i] = word = word * 1664525u + 1013904223u;
  block->sum = sum_of(block);
}

static void check(const struct block *block, uint64_t number)
{
  if (written[number] == 0) return; /* whatever was there before us */
  if (block->number == number && block->written == written[number] && block->sum == sum_of(block)) return;
  printf("block %llu: it says it is block %llu of round %llu, its sum is %s; last written in round %llu\n",
         (unsigned long long)number, (unsigned long long)block->number, (unsigned long long)block->written,
         block->sum == sum_of(block) ? "right" : "wrong", (unsigned long long)written[number]);
  exit(1);
}

/* Waits for one request at least, and looks at what came. */
static unsigned finish(aio_context_t context)
{
  struct io_event events[DEPTH_MOST];
  long count = syscall(SYS_io_getevents, context, 1, DEPTH_MOST, events, NULL);

  if (count < 0) die("io_getevents");
  for (long i = 0; i < count; i++) {
    struct request *request = (struct request *)(uintptr_t)events[i].data;

    if (events[i].res != (int64_t)(request->count * BLOCK)) {
      printf("request of %llu blocks at %llu: %lld\n", (unsigned long long)request->count,
             (unsigned long long)request->first, (long long)events[i].res);
      exit(1);
    }
    if (request->cb.aio_lio_opcode == IOCB_CMD_PREAD)
      for (uint64_t j = 0; j < request->count; j++) check(&request->blocks[j], request->first + j);
    request->count = 0;
  }
  return (unsigned)count;
}

/* Whether a request under way touches these blocks: two at a time may come in any order. */
static int is_busy(uint64_t first, uint64_t count)
{
  for (int i = 0; i < DEPTH_MOST; i++)
    if (requests[i].count > 0 && first < requests[i].first + requests[i].count && requests[i].first < first + count)
      return 1;
  return 0;
}

int main(int argc, char **argv)
{
  if (argc != 6) {
    fprintf(stderr, "usage: block-check FILE BYTES DEPTH ROUNDS SEED\n");
    return 2;
  }
  const uint64_t blocks = strtoull(argv[2], NULL, 10) / BLOCK, rounds = strtoull(argv[4], NULL, 10);
  const unsigned depth = (unsigned)atoi(argv[3]);
  aio_context_t context = 0;
  unsigned under_way = 0;
  uint64_t reads = 0;
  int file = open(argv[1], O_RDWR | O_DIRECT);

  state = strtoull(argv[5], NULL, 10) * 2 + 1;
  if (file < 0) die(argv[1]);
  if (blocks < RUN_MOST || blocks > BLOCKS_MOST || depth < 1 || depth > DEPTH_MOST) return 2;
  if (syscall(SYS_io_setup, DEPTH_MOST, &context) != 0) die("io_setup");
  for (int i = 0; i < DEPTH_MOST; i++)
    if (posix_memalign((void **)&requests[i].blocks, BLOCK, RUN_MOST * BLOCK) != 0) die("memory");

  for (uint64_t round = 1; round <= rounds; round++) {
    uint64_t count = 1 + random_below(RUN_MOST), first = random_below(blocks - count + 1);
    struct request *request = requests;

    while (under_way >= depth || is_busy(first, count)) under_way -= finish(context);
    while (request->count > 0) request++;
    int reading = random_below(3) == 0;
    request->first = first;
    request->count = count;
    request->cb = (struct iocb){
        .aio_data = (uintptr_t)request,
        .aio_lio_opcode = reading ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE,
        .aio_fildes = (uint32_t)file,
        .aio_buf = (uintptr_t)request->blocks,
        .aio_nbytes = count * BLOCK,
        .aio_offset = (int64_t)(first * BLOCK),
    };
    reads += (uint64_t)reading;
    for (uint64_t j = 0; !reading && j < count; j++) fill(&request->blocks[j], first + j, written[first + j] = round);
    struct iocb *list[] = {&request->cb};

    if (syscall(SYS_io_submit, context, 1, list) != 1) die("io_submit");
    under_way++;
  }
  while (under_way > 0) under_way -= finish(context);
  if (fsync(file) != 0) die("fsync");

  for (uint64_t number = 0; number < blocks; number += RUN_MOST) {
    uint64_t count = blocks - number < RUN_MOST ? blocks - number : RUN_MOST;

    if (pread(file, requests[0].blocks, count * BLOCK, (off_t)(number * BLOCK)) != (ssize_t)(count * BLOCK)) die("pread");
    for (uint64_t j = 0; j < count; j++) check(&requests[0].blocks[j], number + j);
  }
  printf("%llu writes and %llu reads at depth %u, all blocks as written\n", (unsigned long long)(rounds - reads),
         (unsigned long long)reads, depth);
  return 0;
}
