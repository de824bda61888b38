/*
 * platform/disk.c against a device that finishes requests in any order and may fail: `fuzz-disk SEED COUNT`. What is read
 * is what was written; no two requests under way touch the same sectors unless both read; a failure is told, once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../platform/block.h"
#include "../../platform/memory.h"

#define DISK_BYTES (1ul << 20)
#define DISKS 2
#define DEPTH 42

static uint8_t model[DISKS][DISK_BYTES], device[DISKS][DISK_BYTES];
static bool failing;
static unsigned submitted;
static unsigned limit = DEPTH; /* how many requests fit into the device's queue */
static struct disk_facts facts[DISKS] = {{DISK_BYTES - 4096, 512, false}, {DISK_BYTES - 4096, 4096, false}};

static uint64_t state;
static uint64_t draw(void) { /* xorshift64* */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545f4914f6cdd1dull;
}

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1); \
    } \
  } while (0)

/* --- the device --- */

static struct block_request *under_way[DISKS][DEPTH];
static unsigned depth[DISKS];

unsigned platform_disk_count(void) { return DISKS; }
const struct disk_facts *platform_disk(unsigned disk) { return &facts[disk]; }

static bool overlap(const struct block_request *a, const struct block_request *b) {
  return a->sector * 512 < b->sector * 512 + b->length && b->sector * 512 < a->sector * 512 + a->length;
}

bool block_submit(unsigned disk, struct block_request *request) {
  if (depth[disk] >= limit) return false;
  submitted++;
  CHECK(request->length % facts[disk].sector_bytes == 0 && request->sector * 512 % facts[disk].sector_bytes == 0);
  CHECK(request->sector * 512 + request->length <= facts[disk].bytes);
  for (unsigned i = 0; i < depth[disk]; i++) {
    const struct block_request *other = under_way[disk][i];
    CHECK(request != other && request->type != BLOCK_FLUSH);
    CHECK((request->type == BLOCK_READ && other->type == BLOCK_READ) || !overlap(request, other));
  }
  request->done = request->failed = false;
  under_way[disk][depth[disk]++] = request;
  return true;
}

static void finish_one(unsigned disk) {
  unsigned which = (unsigned)(draw() % depth[disk]);
  struct block_request *request = under_way[disk][which];
  uint8_t *place = device[disk] + request->sector * 512;
  under_way[disk][which] = under_way[disk][--depth[disk]];
  request->done = true;
  request->failed = failing && draw() % 8 == 0;
  if (request->failed || request->type == BLOCK_FLUSH) return;
  if (request->type == BLOCK_READ) memcpy(VA(request->pa), place, request->length);
  else memcpy(place, VA(request->pa), request->length);
}

void block_kick(unsigned disk) {
  while (depth[disk] && draw() % 4 == 0) finish_one(disk);
}

void block_wait(unsigned disk) {
  while (depth[disk]) finish_one(disk);
}

/* The kernel's own data in one piece; other memory in pieces, and some that the device cannot reach. */
uint64_t memory_for_device(const void *bytes, uint64_t size, uint64_t *contiguous) {
  extern const uint8_t __data_start[], end[];
  *contiguous = size;
  if ((const uint8_t *)bytes >= __data_start && (const uint8_t *)bytes < end) return PA(bytes);
  *contiguous = draw() % 4 ? size : draw() % (size + 1);
  return draw() % 16 ? PA(bytes) : 0;
}

void platform_log(const char *format, ...) { (void)format; }

void platform_panic(const char *format, ...) {
  printf("panic: %s\n", format);
  exit(1);
}

/* --- the program --- */

static uint64_t some_length(void) { return draw() % 3 == 0 ? draw() % 150000 : draw() % 3 == 0 ? 512 * (draw() % 40) : draw() % 3000; }
static uint64_t some_place(uint64_t last) {
  if (draw() % 4 == 0) return (last < 4096 ? 0 : last - draw() % 4096) & -(uint64_t)(draw() % 2 ? 512 : 1); /* just touched */
  if (draw() % 3) return last;                                        /* what follows */
  return draw() % 2 ? draw() % DISK_BYTES : draw() % (DISK_BYTES / 512) * 512;
}

static void write_some(unsigned disk, uint64_t at, uint64_t length, bool direct) {
  uint8_t *bytes = malloc(length ? length : 1);
  for (uint64_t i = 0; i < length; i++) bytes[i] = (uint8_t)draw();
  ssize_t put = platform_disk_write(disk, bytes, length, at, direct);
  uint64_t room = at < facts[disk].bytes ? facts[disk].bytes - at : 0;
  CHECK(put < 0 ? failing : (uint64_t)put <= length && (uint64_t)put <= room);
  CHECK(failing || (uint64_t)put == (length < room ? length : room));
  if (put > 0) memcpy(model[disk] + at, bytes, (size_t)put);
  free(bytes);
}

static void read_some(unsigned disk, uint64_t at, uint64_t length, bool direct) {
  uint8_t *bytes = malloc(length ? length : 1);
  ssize_t got = platform_disk_read(disk, bytes, length, at, direct);
  uint64_t room = at < facts[disk].bytes ? facts[disk].bytes - at : 0;
  CHECK(got < 0 ? failing : (uint64_t)got <= length && (uint64_t)got <= room);
  CHECK(failing || (uint64_t)got == (length < room ? length : room));
  CHECK(failing || got <= 0 || !memcmp(bytes, model[disk] + at, (size_t)got));
  free(bytes);
}

/* What a log does: each block is read once and written once, not once for each of its pieces. */
static void pieces_are_put_together(void) {
  submitted = 0;
  for (uint64_t at = 0; at < 10000; at += 100) write_some(0, at, 100, false);
  disk_settle();
  CHECK(submitted <= 2 + 10000 / 512 + 1 && !memcmp(model[0], device[0], 10000));
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  state = strtoull(argv[1], NULL, 0) * 2 + 1;
  uint64_t count = strtoull(argv[2], NULL, 0), at = 0;
  pieces_are_put_together();
  for (uint64_t i = 0; i < count; i++) {
    unsigned disk = draw() % 8 == 0;
    uint64_t length = some_length();
    at = some_place(at);
    if (draw() % 2) write_some(disk, at, length, draw() % 8 == 0);
    else read_some(disk, at, length, draw() % 8 == 0);
    at += length;
    for (uint64_t burst = draw() % 8 ? 0 : draw() % 64; burst > 0; burst--)
      write_some(0, draw() % 128 * 512, 512 * (1 + draw() % 4), false);
    if (draw() % 32) continue;
    CHECK(!platform_disk_flush(disk));
    CHECK(!memcmp(model[disk], device[disk], facts[disk].bytes)); /* all of it is there */
    limit = draw() % 2 ? DEPTH : 1 + (unsigned)(draw() % 8);
  }
  disk_settle();
  CHECK(!memcmp(model, device, sizeof model));

  /* A device that fails now and then: the program is told, what it is told worked did, and then all is well again. */
  for (uint64_t i = 0; i < count / 4; i++) {
    static uint8_t before[DISK_BYTES], bytes[2048];
    const uint64_t where = draw() % 512 * 512;
    memset(bytes, (int)i, sizeof bytes);
    failing = true;
    memcpy(before, device[0], DISK_BYTES);
    bool told = platform_disk_write(0, bytes, sizeof bytes, where, false) < 0;
    told = platform_disk_flush(0) || told;
    CHECK(told || !memcmp(device[0] + where, bytes, sizeof bytes));
    write_some(0, draw() % DISK_BYTES, some_length(), false);
    read_some(0, draw() % DISK_BYTES, some_length(), false);
    failing = false;
    platform_disk_flush(0);
    CHECK(!platform_disk_flush(0));
  }
  return 0;
}
