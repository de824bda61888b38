/*
 * Keeps a disk busy, for bench: arguments in fours, `read|write BYTES DEPTH MS`, for so long requests of that size with
 * so many under way at once. Those of up to 64 KiB go to random places, larger ones one after the other. Each four
 * prints a line: what it was, how many requests were done, and the nanoseconds that all of them took.
 */
#include "guest.h"

#include "block.h"
#include "string.h"
#include "traps.h"

#define DEPTH_MAX 32
#define BYTES_MAX (1u << 20)
#define RANDOM_MAX (64u << 10)
#define NS_PER_MS 1000000ull

static struct block_request requests[DEPTH_MAX];
static uint64_t random_state = 88172645463325252u;

/* xorshift64: the same places in every run. */
static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static unsigned number(const char *text) {
  unsigned value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (unsigned)(*text - '0');
  return value;
}

struct load {
  enum block_type type;
  unsigned bytes, depth, ms;
};

static void aim(struct block_request *request, const struct load *load, uint64_t nth) {
  const uint64_t places = platform_disk(0)->bytes / load->bytes;
  const uint64_t place = load->bytes <= RANDOM_MAX ? next_random() % places : nth % places;
  request->type = load->type;
  request->sector = place * load->bytes / SECTOR_SIZE;
  request->length = load->bytes;
}

static bool run(const struct load *load, unsigned *done, uint64_t *ns) {
  bool fine = true, over = false;
  unsigned sent = 0, busy = 0;
  bool used[DEPTH_MAX] = {false};
  const uint64_t start = platform_monotonic_ns(), end = start + load->ms * NS_PER_MS;
  while (!over || busy) {
    over = over || platform_monotonic_ns() >= end;
    for (unsigned slot = 0; slot < load->depth; slot++) {
      struct block_request *request = &requests[slot];
      if (used[slot] && !request->done) continue;
      if (used[slot]) fine = !request->failed && fine, busy--;
      used[slot] = !over;
      if (!used[slot]) continue;
      aim(request, load, sent++);
      busy++;
      if (!block_submit(0, request)) return false;
    }
    if (pending_interrupts) service_interrupts(); /* where the device is always at hand, nobody halts */
    if (busy) block_wait_any(0);
  }
  *done = sent;
  *ns = platform_monotonic_ns() - start;
  return fine;
}

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  if (!platform_disk(0)) platform_panic("there is no disk");
  uint8_t *memory = platform_memory().base;
  bool fine = true;
  for (unsigned slot = 0; slot < DEPTH_MAX; slot++) {
    requests[slot].pa = PA(memory + slot * BYTES_MAX);
    memset(memory + slot * BYTES_MAX, (int)slot, BYTES_MAX); /* first touches are not what is measured */
  }
  for (int i = 1; i + 3 < args.argc; i += 4) {
    const struct load load = {*args.argv[i] == 'w' ? BLOCK_WRITE : BLOCK_READ, number(args.argv[i + 1]),
                              number(args.argv[i + 2]), number(args.argv[i + 3])};
    unsigned done = 0;
    uint64_t ns = 0;
    if (!load.bytes || load.bytes > platform_disk(0)->bytes || load.bytes > BYTES_MAX || load.bytes % SECTOR_SIZE || !load.depth || load.depth > DEPTH_MAX)
      platform_panic("no such load");
    fine = run(&load, &done, &ns) && fine;
    print("%s %u %u %u %lu\n", args.argv[i], load.bytes, load.depth, done, ns);
  }
  finish("block-load", fine);
}
