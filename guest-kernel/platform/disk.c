/*
 * Bytes of a disk, at any position. Large transfers go straight between the caller's memory and the device, cut into
 * requests that are all under way at once. Small reads and pieces of a block go through one buffer, which also reads
 * ahead when they follow each other. Small writes are copied and posted: the device has them at once, nobody waits for
 * them before they matter, and what fails among them the next write or flush says. Only a block whose beginning was
 * written is kept back: the rest of it may be the next write, and would have to wait for the first. There is no cache.
 */
#include <asm/errno.h>

#include "block.h"
#include "memory.h"
#include "string.h"

#define REQUEST_BYTES 262144u /* a 1 MiB read keeps four requests under way */
#define REQUESTS 64
#define BUFFER_BYTES 65536u
#define LARGE 32768u /* from here on copying costs more than another request */
#define POSTED 32u   /* fewer than requests that fit into a queue */
#define POSTED_BYTES 4096u

/* What was read last, of one disk. */
static struct {
  _Alignas(PAGE_SIZE) uint8_t bytes[BUFFER_BYTES];
  unsigned disk;
  uint64_t first;  /* position of the first byte */
  uint32_t length; /* 0: nothing */
  uint64_t next;   /* where the last read ended: the next one may follow */
} buffer;

/* Writes under way, all of one disk, none touching another: the device may do them in any order. */
static struct {
  _Alignas(PAGE_SIZE) uint8_t bytes[POSTED][POSTED_BYTES];
  struct block_request requests[POSTED];
  unsigned disk, count;
} posted;
/* The last block of a write that ended inside it. */
static struct {
  _Alignas(PAGE_SIZE) uint8_t bytes[PAGE_SIZE]; /* no block is larger (block.c) */
  unsigned disk;
  uint32_t length; /* 0: there is none */
  uint64_t offset;
} kept;
static bool write_lost[DISKS_MAX]; /* one of them failed, and nobody was told yet */
static bool loss_logged[DISKS_MAX];

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint32_t block_bytes(unsigned disk) { return platform_disk(disk)->sector_bytes; }

static bool in_buffer(unsigned disk, uint64_t at) {
  return disk == buffer.disk && at >= buffer.first && at - buffer.first < buffer.length;
}

/* --- posted writes --- */

static void wait_for_posted(void) {
  bool failed = false;
  if (!posted.count) return;
  block_wait(posted.disk);
  for (unsigned i = 0; i < posted.count; i++) failed = failed || posted.requests[i].failed;
  posted.count = 0;
  if (!failed) return;
  write_lost[posted.disk] = true;
  if (!loss_logged[posted.disk]) platform_log("disk %u: a write failed that the program was told had worked", posted.disk);
  loss_logged[posted.disk] = true;
}

static bool touches_posted(uint64_t sector, uint64_t sectors) {
  for (unsigned i = 0; i < posted.count; i++) {
    const struct block_request *other = &posted.requests[i];
    if (sector < other->sector + other->length / SECTOR_SIZE && other->sector < sector + sectors) return true;
  }
  return false;
}

/* False: the device's queue is full. */
static bool submit_copy(unsigned disk, const uint8_t *bytes, uint32_t length, uint64_t sector) {
  struct block_request *request = &posted.requests[posted.count];
  uint8_t *copy = posted.bytes[posted.count];
  memcpy(copy, bytes, length);
  *request = (struct block_request){.type = BLOCK_WRITE, .sector = sector, .pa = PA(copy), .length = length};
  if (!block_submit(disk, request)) return false;
  posted.disk = disk;
  posted.count++;
  block_kick(disk);
  return true;
}

static void submit_posted(unsigned disk, const uint8_t *bytes, uint32_t length, uint64_t offset) {
  uint64_t sector = offset / SECTOR_SIZE;
  if (posted.disk != disk || posted.count == POSTED || touches_posted(sector, length / SECTOR_SIZE)) wait_for_posted();
  if (submit_copy(disk, bytes, length, sector)) return;
  wait_for_posted();
  submit_copy(disk, bytes, length, sector);
}

void disk_post(void) {
  uint32_t length = kept.length;
  kept.length = 0;
  if (length) submit_posted(kept.disk, kept.bytes, length, kept.offset);
}

void disk_settle(void) {
  disk_post();
  wait_for_posted();
}

/* Blocks that are written anew are the newer ones; any other block kept goes first. */
static void make_way(unsigned disk, uint32_t length, uint64_t offset) {
  if (kept.disk == disk && kept.offset >= offset && kept.offset - offset < length) kept.length = 0;
  disk_post();
}

/* Whole blocks, POSTED_BYTES at most. */
static void post(unsigned disk, const uint8_t *bytes, uint32_t length, uint64_t offset) {
  make_way(disk, length, offset);
  submit_posted(disk, bytes, length, offset);
}

/* One block, with more of it to come perhaps. */
static void keep(unsigned disk, const uint8_t *bytes, uint32_t length, uint64_t offset) {
  make_way(disk, length, offset);
  memcpy(kept.bytes, bytes, length);
  kept.disk = disk;
  kept.offset = offset;
  kept.length = length;
}

static bool told_of_loss(unsigned disk) {
  bool lost = write_lost[disk];
  write_lost[disk] = false;
  return lost;
}

/* --- whole blocks --- */

/* Waits for the first `count` requests; false when one of them failed. */
static bool finish(unsigned disk, const struct block_request *requests, unsigned count) {
  bool good = true;
  block_wait(disk);
  for (unsigned i = 0; i < count; i++) good = good && !requests[i].failed;
  return good;
}

/* Moves whole blocks while the device can reach their memory. How many bytes; -EIO: nothing is known of any of them. */
static ssize_t transfer(unsigned disk, enum block_type type, const uint8_t *bytes, size_t length, uint64_t offset) {
  static struct block_request requests[REQUESTS];
  unsigned count = 0;
  size_t done = 0;
  disk_settle();
  while (done < length) {
    uint64_t contiguous = 0, pa = memory_for_device(bytes + done, length - done, &contiguous);
    contiguous = smaller(contiguous, REQUEST_BYTES) & ~(uint64_t)(block_bytes(disk) - 1);
    if (!pa || !contiguous) break;
    struct block_request *request = &requests[count];
    *request = (struct block_request){.type = type, .sector = (offset + done) / SECTOR_SIZE, .pa = pa,
                                      .length = (uint32_t)contiguous};
    if (count == REQUESTS || !block_submit(disk, request)) {
      if (!finish(disk, requests, count)) return -EIO;
      count = 0;
      continue;
    }
    count++;
    done += contiguous;
  }
  return finish(disk, requests, count) ? (ssize_t)done : -EIO;
}

/* --- any bytes, through the buffer --- */

/* Makes the buffer hold the byte at `at`, and up to `wanted` from there on. */
static bool fill(unsigned disk, uint64_t at, uint64_t wanted) {
  uint64_t mask = block_bytes(disk) - 1, first = at & ~mask, end = platform_disk(disk)->bytes;
  bool follows = disk == buffer.disk && at == buffer.next;
  uint64_t length = follows ? BUFFER_BYTES : smaller(((at + wanted + mask) & ~mask) - first, BUFFER_BYTES);
  length = smaller(length, end - first);
  buffer.disk = disk;
  buffer.first = first;
  buffer.length = 0;
  if (transfer(disk, BLOCK_READ, buffer.bytes, length, first) != (ssize_t)length) return false;
  buffer.length = (uint32_t)length;
  return true;
}

static ssize_t read_buffered(unsigned disk, uint8_t *bytes, size_t count, uint64_t at) {
  if (!in_buffer(disk, at) && !fill(disk, at, count)) return -EIO;
  size_t from = at - buffer.first, length = smaller(count, buffer.length - from);
  memcpy(bytes, buffer.bytes + from, length);
  return (ssize_t)length;
}

/* Changes bytes of the buffer and writes the blocks they are in. */
static ssize_t write_buffered(unsigned disk, const uint8_t *bytes, size_t count, uint64_t at) {
  uint64_t mask = block_bytes(disk) - 1;
  if (!in_buffer(disk, at) && !fill(disk, at, count)) return -EIO;
  size_t from = at - buffer.first, length = smaller(count, buffer.length - from);
  uint64_t first = from & ~mask, end = smaller((from + length + mask) & ~mask, buffer.length);
  memcpy(buffer.bytes + from, bytes, length);
  if (end - first <= POSTED_BYTES) {
    uint64_t whole = (from + length) & mask ? end - mask - 1 : end; /* and what is behind that is a piece */
    if (first < whole) post(disk, buffer.bytes + first, (uint32_t)(whole - first), buffer.first + first);
    if (whole < end) keep(disk, buffer.bytes + whole, (uint32_t)(end - whole), buffer.first + whole);
    return (ssize_t)length;
  }
  if (transfer(disk, BLOCK_WRITE, buffer.bytes + first, end - first, buffer.first + first) == (ssize_t)(end - first))
    return (ssize_t)length;
  buffer.length = 0;
  return -EIO;
}

/* What is written past the buffer is also in it. */
static void update_buffer(unsigned disk, const uint8_t *bytes, uint64_t length, uint64_t at) {
  uint64_t first = at > buffer.first ? at : buffer.first, end = smaller(at + length, buffer.first + buffer.length);
  if (disk == buffer.disk && first < end) memcpy(buffer.bytes + (first - buffer.first), bytes + (first - at), end - first);
}

/* --- what the personality calls --- */

ssize_t platform_disk_read(unsigned disk, void *bytes, size_t count, uint64_t offset, bool direct) {
  uint64_t end = platform_disk(disk)->bytes, mask = block_bytes(disk) - 1;
  size_t done = 0;
  if (offset >= end) return 0;
  count = smaller(count, end - offset);
  if (direct) platform_disk_forget(disk);
  while (done < count) {
    uint8_t *to = (uint8_t *)bytes + done;
    uint64_t at = offset + done, rest = count - done;
    ssize_t got = 0;
    if (!(at & mask) && rest > mask && (direct || rest >= LARGE)) got = transfer(disk, BLOCK_READ, to, rest & ~mask, at);
    if (!got) got = read_buffered(disk, to, rest, at);
    if (got < 0) return done ? (ssize_t)done : got;
    done += (size_t)got;
  }
  buffer.next = offset + done;
  return (ssize_t)done;
}

/* Whole blocks from where they are, or posted. */
static ssize_t write_blocks(unsigned disk, const uint8_t *bytes, size_t length, uint64_t at, bool direct) {
  ssize_t put = (ssize_t)length;
  if (!direct && length <= POSTED_BYTES) post(disk, bytes, (uint32_t)length, at);
  else put = transfer(disk, BLOCK_WRITE, bytes, length, at);
  if (put < 0) platform_disk_forget(disk);
  else update_buffer(disk, bytes, (uint64_t)put, at);
  return put;
}

ssize_t platform_disk_write(unsigned disk, const void *bytes, size_t count, uint64_t offset, bool direct) {
  uint64_t end = platform_disk(disk)->bytes, mask = block_bytes(disk) - 1;
  size_t done = 0;
  if (offset >= end) return 0;
  if (told_of_loss(disk)) return -EIO;
  count = smaller(count, end - offset);
  while (done < count) {
    const uint8_t *from = (const uint8_t *)bytes + done;
    uint64_t at = offset + done, rest = count - done;
    ssize_t put = 0;
    if (!(at & mask) && rest > mask) put = write_blocks(disk, from, rest & ~mask, at, direct);
    if (!put) put = write_buffered(disk, from, !(at & mask) && rest > BUFFER_BYTES ? BUFFER_BYTES : rest, at);
    if (put < 0) return done ? (ssize_t)done : put;
    done += (size_t)put;
  }
  buffer.next = offset + done;
  if (direct) disk_settle(); /* its pieces too */
  return direct && told_of_loss(disk) ? -EIO : (ssize_t)done;
}

int platform_disk_flush(unsigned disk) {
  struct block_request request = {.type = BLOCK_FLUSH};
  disk_settle(); /* a flush is for what is done, not for what is under way (section 5.2.6.2) */
  if (!block_submit(disk, &request)) platform_panic("disk %u: requests are under way, and nobody waits for them", disk);
  block_wait(disk);
  return told_of_loss(disk) || request.failed ? -EIO : 0;
}

void platform_disk_forget(unsigned disk) {
  if (disk == buffer.disk) buffer.length = 0;
}
