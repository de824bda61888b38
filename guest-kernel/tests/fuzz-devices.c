/*
 * Fuzzes its own host: whatever a driver can do to a device through its window, in and out of order, and to ports that
 * nobody owns. `seed=N rounds=M` on the command line replay a run. Buffers lie where no byte of this kernel is, so that
 * devices that keep to what they are told leave it alive: it ends with PASS after the last round.
 */
#include <stdint.h>

#include "boot.h"
#include "guest.h"
#include "layout.h"
#include "privileged.h"
#include "serial.h"
#include "virtio-mmio.h"
#include "virtio-registers.h"
#include "virtqueue.h"

#define CHOOSE(list) ((list)[draw() % (sizeof(list) / sizeof((list)[0]))])
#define QUEUES 8
#define ENTRIES_MAX 64
#define WINDOW_SIZE 0x1000

static uint64_t state;
static unsigned window_count;

static uint64_t draw(void) { /* xorshift64* */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545f4914f6cdd1dull;
}

static bool one_in(unsigned chances) { return draw() % chances == 0; }

/* --- memory to play with --- */

#define DATA_SIZE 0x40000u

static uint8_t *data;     /* buffers, and addresses that point nowhere in particular */
static uint64_t ram_last; /* the last byte of RAM */

/* The rings of each queue of the window at hand. */
static struct {
  struct virtq_desc desc[ENTRIES_MAX], indirect[ENTRIES_MAX];
  uint16_t avail[ENTRIES_MAX + 3];
  _Alignas(4) uint32_t used[2 * ENTRIES_MAX + 2];
  unsigned size;
} *queues;

static uint64_t address(void) {
  const uint64_t edges[] = {0, 1, 0xfff, ram_last, ram_last - 7, ram_last + 1, 0xd0000000, 0xd0000050, 0xfee00000, 0xffffffff,
                            1ull << 32, (1ull << 53) - 1, 1ull << 63, UINT64_MAX, UINT64_MAX - 15};
  return one_in(12) ? CHOOSE(edges) : PA(data) + draw() % DATA_SIZE;
}

/* A buffer's length never leads from our data into anything else. */
static uint32_t length_at(uint64_t pa) {
  static const uint32_t edges[] = {0, 1, 8, 12, 15, 16, 17, 44, 511, 512, 513, 4096};
  static const uint32_t huge[] = {0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000};
  uint64_t rest = pa - PA(data) < DATA_SIZE ? PA(data) + DATA_SIZE - pa : 8;
  if (rest == 8 && one_in(2)) return CHOOSE(huge); /* starts outside of RAM, or at its end */
  uint32_t length = one_in(3) ? (uint32_t)(draw() % 65536) : CHOOSE(edges);
  return length < rest ? length : (uint32_t)rest;
}

/* What devices read as numbers: request types, sectors, lengths, page numbers of our own data or far outside. */
static void scribble(void) {
  for (unsigned i = 0; i < 64; i++) {
    uint32_t *word = (uint32_t *)(data + (draw() % DATA_SIZE & ~3ull));
    const uint32_t telling[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 63, 64, 127, 128, 512, 1 << 16, 0x7fffffff, 0x80000000, 0xffffffff,
                                (uint32_t)(PA(data) / PAGE_SIZE + draw() % (DATA_SIZE / PAGE_SIZE))};
    *word = one_in(3) ? (uint32_t)draw() | 0x80000000 : CHOOSE(telling);
  }
}

/* --- registers --- */

static void write32(volatile uint8_t *window, unsigned offset, uint32_t value) { *(volatile uint32_t *)(window + offset) = value; }
static uint32_t read32(volatile uint8_t *window, unsigned offset) { return *(volatile uint32_t *)(window + offset); }

static void touch_register(volatile uint8_t *window) {
  static const unsigned offsets[] = {0, 4, 8, 0xc, 0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x38, 0x44, 0x50, 0x60, 0x64, 0x70, 0x80, 0x84, 0x90,
                                     0x94, 0xa0, 0xa4, 0xac, 0xb0, 0xb8, 0xc0, 0xfc, 0x100, 0x104, 0x108, 0x110, 0x120, 0x13c};
  static const uint64_t values[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 64, 128, 255, 256, 1024, 32768, 65535, 65536, INT32_MAX, UINT32_MAX, UINT64_MAX};
  unsigned size = one_in(3) ? 1u << draw() % 4 : 4;
  unsigned offset = one_in(4) ? (unsigned)(draw() % (WINDOW_SIZE - 8)) : CHOOSE(offsets) + (one_in(8) ? (unsigned)draw() % 4 : 0);
  uint64_t value = one_in(3) ? draw() : CHOOSE(values);
  volatile void *at = window + offset;
  if (one_in(2)) {
    if (size == 1) *(volatile uint8_t *)at = (uint8_t)value;
    if (size == 2) *(volatile uint16_t *)at = (uint16_t)value;
    if (size == 4) *(volatile uint32_t *)at = (uint32_t)value;
    if (size == 8) *(volatile uint64_t *)at = value;
  } else {
    if (size == 1) (void)*(volatile uint8_t *)at;
    if (size == 2) (void)*(volatile uint16_t *)at;
    if (size == 4) (void)*(volatile uint32_t *)at;
    if (size == 8) (void)*(volatile uint64_t *)at;
  }
}

/* --- a start that mostly is as it should be --- */

static void write_address(volatile uint8_t *window, unsigned offset, const void *sound) {
  uint64_t pa = one_in(24) ? address() : PA(sound) + (one_in(48) ? draw() % 16 : 0);
  write32(window, offset, (uint32_t)pa);
  write32(window, offset + 4, (uint32_t)(pa >> 32));
}

static void set_up_queue(volatile uint8_t *window, unsigned index) {
  static const uint32_t sizes[] = {0, 3, 24, 128, 1024, 32768, 65535, UINT32_MAX};
  write32(window, VIRTIO_QUEUE_SEL, index);
  uint32_t limit = read32(window, VIRTIO_QUEUE_NUM_MAX), size = 1u << draw() % 7;
  if (!limit) return;
  while (size > limit) size /= 2;
  memset(&queues[index], 0, sizeof queues[index]);
  queues[index].size = size;
  write32(window, VIRTIO_QUEUE_NUM, one_in(24) ? CHOOSE(sizes) : size);
  write_address(window, VIRTIO_QUEUE_DESC_LOW, queues[index].desc);
  write_address(window, VIRTIO_QUEUE_DRIVER_LOW, queues[index].avail);
  write_address(window, VIRTIO_QUEUE_DEVICE_LOW, queues[index].used);
  write32(window, VIRTIO_QUEUE_READY, one_in(24) ? (uint32_t)draw() : 1);
}

static void start(volatile uint8_t *window) {
  static const uint8_t steps[] = {0, VIRTIO_STATUS_ACKNOWLEDGE, 3, 11, 15};
  write32(window, VIRTIO_STATUS, 0);
  for (unsigned i = 0; i < 1000 && read32(window, VIRTIO_STATUS); i++) continue;
  write32(window, VIRTIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
  if (!one_in(32)) write32(window, VIRTIO_STATUS, 3);
  for (unsigned half = 0; half < 2; half++) {
    write32(window, VIRTIO_DEVICE_FEATURES_SEL, half);
    uint32_t offered = read32(window, VIRTIO_DEVICE_FEATURES);
    if (one_in(3)) offered &= (uint32_t)draw() | half;
    if (one_in(32)) offered = (uint32_t)draw();
    write32(window, VIRTIO_DRIVER_FEATURES_SEL, half);
    write32(window, VIRTIO_DRIVER_FEATURES, offered);
  }
  write32(window, VIRTIO_STATUS, one_in(24) ? CHOOSE(steps) : 11);
  for (unsigned index = 0; index < QUEUES; index++)
    if (!one_in(16)) set_up_queue(window, index);
  write32(window, VIRTIO_STATUS, one_in(24) ? CHOOSE(steps) : 15);
}

/* --- rings --- */

static void fill_descriptors(struct virtq_desc *table, unsigned size, unsigned indirect_index, bool nested) {
  for (unsigned i = 0; i < size; i++) {
    uint64_t pa = address();
    uint16_t flags = one_in(16) ? (uint16_t)draw() : (uint16_t)(draw() % 4);
    table[i] = (struct virtq_desc){pa, length_at(pa), flags & (uint16_t)~4u, (uint16_t)(one_in(4) ? draw() : (i + 1) % size)};
    if (!one_in(nested ? 16 : 6)) continue;
    uint32_t bytes = one_in(4) ? (uint32_t)draw() % 2048 : (uint32_t)(16 * (1 + draw() % ENTRIES_MAX));
    table[i] = (struct virtq_desc){PA(queues[indirect_index].indirect), bytes, (uint16_t)(4 | (one_in(6) ? draw() % 4 : 0)), 0};
  }
}

/* A request as its device expects it: something to read, something to write, a byte of status. */
static void plausible_chain(struct virtq_desc *table, unsigned size) {
  unsigned parts = 1 + (unsigned)draw() % 4;
  for (unsigned i = 0; i < parts && i < size; i++) {
    uint64_t pa = PA(data) + draw() % (DATA_SIZE / 2);
    static const uint32_t lengths[] = {1, 12, 16, 44, 100, 512, 1024, 4096, 65536};
    uint16_t flags = (uint16_t)((i + 1 < parts ? VIRTQ_DESC_F_NEXT : 0) | (i >= parts / 2 ? VIRTQ_DESC_F_WRITE : 0));
    table[i] = (struct virtq_desc){pa, i == 0 && !one_in(4) ? 16 : i + 1 == parts && parts > 2 ? 1 : CHOOSE(lengths), flags, (uint16_t)(i + 1)};
  }
}

static void offer(volatile uint8_t *window) {
  unsigned index = (unsigned)draw() % QUEUES, size = queues[index].size;
  if (!size) return;
  uint16_t *avail = queues[index].avail;
  if (one_in(2)) plausible_chain(queues[index].desc, size);
  else fill_descriptors(queues[index].desc, size, index, false);
  fill_descriptors(queues[index].indirect, ENTRIES_MAX, index, true);
  for (unsigned i = draw() % 8; i > 0; i--) avail[2 + avail[1]++ % size] = (uint16_t)(one_in(16) ? draw() : one_in(2) ? 0 : draw() % size);
  if (one_in(16)) avail[1] = (uint16_t)draw();
  if (one_in(8)) avail[0] = (uint16_t)draw();
  avail[2 + size] = (uint16_t)draw(); /* used_event */
  write32(window, VIRTIO_QUEUE_NOTIFY, one_in(16) ? (uint32_t)draw() : index);
  if (one_in(4)) /* changed while the device looks */
    for (unsigned i = 0; i < 16; i++) fill_descriptors(queues[index].desc, size, index, false);
}

static void storm(volatile uint8_t *window) {
  for (unsigned i = draw() % 64; i > 0; i--) write32(window, VIRTIO_QUEUE_NOTIFY, (uint32_t)draw() % QUEUES);
}

/* --- ports --- */

/* Ends the machine, or belongs to the interrupt controllers and timers of KVM itself. */
static bool is_taboo(unsigned port) {
  return port < 0x100 || (port >= 0x3f8 && port < 0x400) || (port >= 0x500 && port < 0x510) || (port >= 0x600 && port < 0x608) ||
         (port >= 0x4d0 && port < 0x4d2);
}

struct port_access {
  uint16_t port;
  uint32_t value;
  unsigned kind, count;
  uint8_t *memory;
};

static void access_port(void *argument, struct privileged_frame *frame) {
  struct port_access *access = argument;
  void *memory = access->memory;
  unsigned long count = access->count;
  uint16_t port = access->port;
  uint32_t value = access->value;
  switch (access->kind) {
    case 0: __asm__ volatile("out %b0, %1" : : "a"(value), "d"(port)); break;
    case 1: __asm__ volatile("out %w0, %1" : : "a"(value), "d"(port)); break;
    case 2: __asm__ volatile("out %0, %1" : : "a"(value), "d"(port)); break;
    case 3: __asm__ volatile("in %1, %b0" : "=a"(value) : "d"(port)); break;
    case 4: __asm__ volatile("in %1, %w0" : "=a"(value) : "d"(port)); break;
    case 5: __asm__ volatile("in %1, %0" : "=a"(value) : "d"(port)); break;
    case 6: __asm__ volatile("cld; rep outsb" : "+S"(memory), "+c"(count) : "d"(port) : "memory"); break;
    case 7: __asm__ volatile("cld; rep outsl" : "+S"(memory), "+c"(count) : "d"(port) : "memory"); break;
    case 8: __asm__ volatile("cld; rep insb" : "+D"(memory), "+c"(count) : "d"(port) : "memory"); break;
    default: __asm__ volatile("cld; rep insw" : "+D"(memory), "+c"(count) : "d"(port) : "memory"); break;
  }
}

static void touch_port(void) {
  struct port_access access = {.port = (uint16_t)draw(), .value = (uint32_t)draw(), .kind = (unsigned)draw() % 10,
                               .count = (unsigned)draw() % 200, .memory = data};
  if (is_taboo(access.port) || access.port > 0xfff8) return;
  run_privileged(access_port, &access);
}

/* --- the run --- */

static uint64_t option(const char *key, uint64_t otherwise) {
  const char *text = boot_option_value(key, NULL);
  uint64_t value = 0;
  if (!text) return otherwise;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (uint64_t)(*text - '0');
  return value;
}

/* By the serial port: the console is among the victims. */
static void say(const char *format, uint64_t a, uint64_t b) {
  char text[128];
  int length = snprintf(text, sizeof text, format, (unsigned long)a, (unsigned long)b);
  serial_write((const uint8_t *)text, (size_t)length);
}

void personality_main(void) {
  struct memory_window window = platform_memory();
  uint64_t seed = option("seed", 1), rounds = option("rounds", 2000);
  data = window.base;
  queues = (void *)(window.base + DATA_SIZE);
  memset(data, 0x80, DATA_SIZE);
  memset(queues, 0, QUEUES * sizeof *queues);
  ram_last = ram_ranges[ram_range_count - 1].end - 1;
  state = seed * 2 + 1;
  while (virtio_mmio_window(window_count)) window_count++;
  say("fuzz-devices: seed=%lu rounds=%lu\n", seed, rounds);

  volatile uint8_t *victim = NULL;
  for (uint64_t round = 0; round < rounds; round++) {
    if (!window_count) break;
    if (!victim || one_in(40)) { /* another device, the last one left as it is */
      victim = virtio_mmio_window((unsigned)draw() % window_count);
      for (unsigned i = 0; i < QUEUES; i++) queues[i].size = 0;
      start(victim);
    }
    switch (draw() % 16) {
      case 0: start(victim); break;
      case 1: touch_port(); break;
      case 2: storm(victim); break;
      case 3:
      case 4: touch_register(victim); break;
      case 5: scribble(); break;
      case 6:
        if (one_in(4)) write32(victim, VIRTIO_STATUS, 0); /* with whatever is under way */
        break;
      default: offer(victim); break;
    }
  }
  for (unsigned i = 0; i < window_count; i++) write32(virtio_mmio_window(i), VIRTIO_STATUS, 0);
  say("fuzz-devices: %lu windows, state %lx\nPASS fuzz-devices\n", window_count, state);
  privileged(PRIVILEGED_OUT, 0, CLOISTER_IO_EXIT);
  for (;;) privileged(PRIVILEGED_HALT, 0, 0);
}
