/*
 * How long a device takes to answer: one request of the entropy device at a time, from before the kick until its used
 * entry is seen, by interrupt and by looking at the ring; and one read of InterruptStatus. Nanoseconds: least, median,
 * 95th percentile. For bench/kick-latency.ts.
 */
#include "guest.h"

#include "entropy.h"
#include "layout.h"
#include "traps.h"
#include "virtio-mmio.h"
#include "virtio-registers.h"
#include "virtqueue.h"

#define WARM_UP 200
#define REQUESTS 1000

static struct virtio_device device;
static struct virtqueue requests = VIRTQUEUE(0, 1);
static uint8_t answer[64];
static uint64_t took[REQUESTS];

static void by_interrupt(void) {
  virtq_want_interrupt(&requests, true);
  virtq_kick(&requests);
  while (!virtq_has_used(&requests)) {
    wait_for_interrupt();
    service_interrupts();
  }
}

static void by_looking(void) {
  virtq_want_interrupt(&requests, false);
  virtq_kick(&requests);
  while (!virtq_has_used(&requests)) __builtin_ia32_pause();
}

static bool ask(void (*wait)(void), uint64_t *ns) {
  unsigned id;
  uint32_t length;
  virtq_add(&requests, 0, PA(answer), sizeof answer, true);
  const uint64_t start = platform_monotonic_ns();
  wait();
  *ns = platform_monotonic_ns() - start;
  return virtq_take(&requests, &id, &length) && length > 0 && length <= sizeof answer;
}

static void sort(uint64_t *values, unsigned count) {
  for (unsigned gap = count / 2; gap; gap /= 2)
    for (unsigned i = gap; i < count; i++) {
      const uint64_t value = values[i];
      unsigned at = i;
      for (; at >= gap && values[at - gap] > value; at -= gap) values[at] = values[at - gap];
      values[at] = value;
    }
}

static void report(const char *what) {
  sort(took, REQUESTS);
  print("%s %lu %lu %lu\n", what, took[0], took[REQUESTS / 2], took[REQUESTS * 95 / 100]);
}

static bool measure(const char *what, void (*wait)(void)) {
  bool fine = true;
  for (unsigned i = 0; i < WARM_UP; i++) fine = ask(wait, &took[0]) && fine;
  for (unsigned i = 0; i < REQUESTS; i++) fine = ask(wait, &took[i]) && fine;
  report(what);
  return fine;
}

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  /* The kernel's own driver has it already: reset, and started anew for us. */
  struct virtqueue *queues[] = {&requests};
  const struct virtio_driver driver = {
      .id = VIRTIO_ID_ENTROPY, .vector = VECTOR_ENTROPY, .registers = &entropy_registers, .queues = queues, .queue_count = 1};
  if (!virtio_start(&device, &driver)) platform_panic("there is no entropy device");

  const bool interrupted = measure("interrupt", by_interrupt);
  const bool looked = measure("ring", by_looking);
  for (unsigned i = 0; i < REQUESTS; i++) {
    const uint64_t start = platform_monotonic_ns();
    (void)*(volatile uint32_t *)(device.registers + VIRTIO_INTERRUPT_STATUS);
    took[i] = platform_monotonic_ns() - start;
  }
  report("status");
  finish("kick-latency", interrupted && looked);
}
