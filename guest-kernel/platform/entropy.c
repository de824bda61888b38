/*
 * Random bytes: a seed from the host's virtio entropy device (virtio 1.2 section 5.4), stretched by ChaCha20. After
 * each answer the key is replaced by key stream, so that what was handed out cannot be computed back ("fast key
 * erasure"). Where there is no device, the CPU's rdrand; where there is not even that, the log says so.
 */
#include "entropy.h"

#include "chacha.h"
#include "cpu.h"
#include "layout.h"
#include "platform.h"
#include "string.h"
#include "traps.h"
#include "virtio-mmio.h"
#include "virtqueue.h"

#define SEED_SIZE 32
#define RESEED_AFTER (1u << 20) /* bytes handed out */
#define CPUID_1_ECX_RDRAND (1u << 30)

volatile uint8_t *entropy_registers; /* for interrupt.S */
static struct virtio_device device;
static struct virtqueue requests = VIRTQUEUE(0, 1);
static uint8_t answer[SEED_SIZE]; /* the device writes here */

static uint32_t key[8];
static size_t handed_out;
static bool seeded;

static void ask(void) {
  virtq_add(&requests, 0, PA(answer), sizeof answer, true);
  virtq_kick(&requests);
}

void entropy_init(void) {
  struct virtqueue *queues[] = {&requests};
  const struct virtio_driver driver = {
      .id = VIRTIO_ID_ENTROPY, .vector = VECTOR_ENTROPY, .registers = &entropy_registers, .queues = queues, .queue_count = 1};
  if (!virtio_start(&device, &driver)) return;
  ask();
}

/* Mixes bytes into the key: what was there is not lost. */
static void mix(const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) ((uint8_t *)key)[i % sizeof key] ^= bytes[i];
}

void entropy_add(const uint8_t *bytes, size_t count) { mix(bytes, count); }

static void seed_from_device(void) {
  unsigned id;
  uint32_t length;
  for (size_t gathered = 0; gathered < SEED_SIZE;) {
    if (!requests.in_flight) ask(); /* the first one was sent at boot */
    virtq_want_interrupt(&requests, true);
    while (!virtq_has_used(&requests)) {
      wait_for_interrupt();
      service_interrupts();
    }
    virtq_want_interrupt(&requests, false);
    virtq_take(&requests, &id, &length);
    if (length > sizeof answer) length = sizeof answer;
    mix(answer, length);
    gathered += length;
    memset(answer, 0, sizeof answer);
  }
}

static bool seed_from_cpu(void) {
  if (!(cpuid(1, 0).ecx & CPUID_1_ECX_RDRAND)) return false;
  for (unsigned i = 0; i < 4; i++) {
    uint64_t value;
    uint8_t ok = 0;
    for (unsigned tries = 0; tries < 100 && !ok; tries++) __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(ok));
    if (!ok) return false;
    mix((const uint8_t *)&value, sizeof value);
  }
  return true;
}

static void seed(void) {
  if (device.registers) {
    seed_from_device();
  } else if (!seed_from_cpu()) {
    const uint64_t now = platform_realtime_ns();
    mix((const uint8_t *)&now, sizeof now);
    platform_log("no entropy device and no rdrand: random numbers come from the clock and can be guessed");
  }
  seeded = true;
  handed_out = 0;
}

void platform_random(void *bytes, size_t count) {
  static const uint32_t nonce[3];
  uint32_t block[16], counter = 0;
  uint8_t *at = bytes;
  if (!seeded || handed_out > RESEED_AFTER) seed();
  handed_out += count;

  uint32_t next_key[16];
  chacha20_block(key, counter++, nonce, next_key);
  while (count) {
    size_t chunk = count < sizeof block ? count : sizeof block;
    chacha20_block(key, counter++, nonce, block);
    memcpy(at, block, chunk);
    at += chunk;
    count -= chunk;
  }
  memcpy(key, next_key, sizeof key);
}
