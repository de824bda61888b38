/*
 * Finding and starting virtio devices, virtio 1.2 sections 3.1 and 4.2.3. All register accesses of a start are made in
 * one go at CPL0: there are dozens, and from CPL3 each may cost three times as much.
 */
#include "virtio-mmio.h"

#include <stddef.h>

#include "apic.h"
#include "boot.h"
#include "pages.h"
#include "layout.h"
#include "platform.h"
#include "privileged.h"
#include "virtio-registers.h"
#include "virtqueue.h"

#define WINDOWS_MAX 24 /* I/O APIC pins */
#define LOOKS_MAX 100000 /* at what a device should be done with at once: a second or two where a look is slow */

static struct window {
  volatile uint8_t *registers;
  unsigned gsi;
  uint32_t id; /* of the device in it */
} windows[WINDOWS_MAX];
static unsigned window_count;
static bool ids_known;

static uint32_t read_register(struct virtio_device *device, unsigned offset) {
  return *(volatile uint32_t *)(device->registers + offset);
}

static void write_register(struct virtio_device *device, unsigned offset, uint32_t value) {
  *(volatile uint32_t *)(device->registers + offset) = value;
}

/* A number as C writes them, with K, M or G after it. */
static uint64_t parse_number(const char **text) {
  uint64_t value = 0;
  unsigned base = 10;
  if ((*text)[0] == '0' && (*text)[1] == 'x') base = 16, *text += 2;
  for (;; (*text)++) {
    char c = **text;
    unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
    if (digit >= base) break;
    value = value * base + digit;
  }
  const char suffix = **text;
  const unsigned shift = suffix == 'K' ? 10 : suffix == 'M' ? 20 : suffix == 'G' ? 30 : 0;
  if (shift) (*text)++;
  return value << shift;
}

void virtio_mmio_init(void) {
  const char *text = NULL;
  while ((text = boot_option_value("virtio_mmio.device", text)) && window_count < WINDOWS_MAX) {
    uint64_t size = parse_number(&text);
    if (*text++ != '@') continue;
    uint64_t gpa = parse_number(&text);
    if (*text++ != ':' || size < 0x100) continue;
    volatile uint8_t *registers = pages_map_device(gpa, size);
    windows[window_count++] = (struct window){registers, (unsigned)parse_number(&text), 0};
  }
}

uint8_t virtio_config8(const struct virtio_device *device, unsigned offset) {
  return *(device->registers + VIRTIO_CONFIG + offset);
}

uint16_t virtio_config16(const struct virtio_device *device, unsigned offset) {
  return *(volatile uint16_t *)(device->registers + VIRTIO_CONFIG + offset);
}

uint32_t virtio_config32(const struct virtio_device *device, unsigned offset) {
  return *(volatile uint32_t *)(device->registers + VIRTIO_CONFIG + offset);
}

volatile uint8_t *virtio_mmio_window(unsigned index) {
  return index < window_count ? windows[index].registers : NULL;
}

/* A start under way, and how it went. */
struct start {
  struct virtio_device *device;
  const struct virtio_driver *driver;
  uint64_t offered;
  enum { ABSENT, TOO_OLD, STUCK, REFUSED, STARTED } result;
};

/* What is in each window, asked once: a kind of which there is none then costs no way to CPL0. */
static void read_ids(void *unused, struct privileged_frame *frame) {
  for (unsigned i = 0; i < window_count; i++)
    windows[i].id = *(volatile uint32_t *)(windows[i].registers + VIRTIO_DEVICE_ID);
  ids_known = true;
}

static const struct window *find(const struct virtio_driver *driver) {
  unsigned before = driver->instance;
  for (unsigned i = 0; i < window_count; i++)
    if (windows[i].id == driver->id && !before--) return &windows[i];
  return NULL;
}

static void negotiate(struct virtio_device *device, struct start *start) {
  write_register(device, VIRTIO_DEVICE_FEATURES_SEL, 0);
  uint64_t offered = read_register(device, VIRTIO_DEVICE_FEATURES);
  write_register(device, VIRTIO_DEVICE_FEATURES_SEL, 1);
  start->offered = offered |= (uint64_t)read_register(device, VIRTIO_DEVICE_FEATURES) << 32;
  device->features = offered & (start->driver->features | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1);
  write_register(device, VIRTIO_DRIVER_FEATURES_SEL, 0);
  write_register(device, VIRTIO_DRIVER_FEATURES, (uint32_t)device->features);
  write_register(device, VIRTIO_DRIVER_FEATURES_SEL, 1);
  write_register(device, VIRTIO_DRIVER_FEATURES, (uint32_t)(device->features >> 32));
}

static void write_address(struct virtio_device *device, unsigned offset, const volatile void *address) {
  write_register(device, offset, (uint32_t)PA(address));
  write_register(device, offset + 4, (uint32_t)(PA(address) >> 32));
}

static bool reset(struct virtio_device *device) {
  write_register(device, VIRTIO_STATUS, 0);
  for (unsigned looks = 0; looks < LOOKS_MAX; looks++)
    if (!read_register(device, VIRTIO_STATUS)) return true;
  return false;
}

/* Section 2.5.1: fields that belong together are read together, or again. */
static bool read_configuration(struct virtio_device *device, const struct virtio_driver *driver) {
  for (unsigned looks = 0; looks < LOOKS_MAX; looks++) {
    uint32_t before = read_register(device, VIRTIO_CONFIG_GENERATION);
    driver->configure(device);
    if (read_register(device, VIRTIO_CONFIG_GENERATION) == before) return true;
  }
  return false;
}

/* Section 4.2.3.2. A queue is never larger than the driver asked for. */
static void set_up_queue(struct virtio_device *device, struct virtqueue *queue) {
  write_register(device, VIRTIO_QUEUE_SEL, queue->index);
  unsigned limit = read_register(device, VIRTIO_QUEUE_NUM_MAX);
  while (queue->size > limit) queue->size /= 2;
  if (!queue->size) return;
  write_register(device, VIRTIO_QUEUE_NUM, queue->size);
  write_address(device, VIRTIO_QUEUE_DESC_LOW, queue->desc);
  write_address(device, VIRTIO_QUEUE_DRIVER_LOW, queue->avail);
  write_address(device, VIRTIO_QUEUE_DEVICE_LOW, queue->used);
  write_register(device, VIRTIO_QUEUE_READY, 1);
}

/* Section 3.1.1, step by step. */
static void start_at_cpl0(void *argument, struct privileged_frame *frame) {
  struct start *start = argument;
  struct virtio_device *device = start->device;
  uint32_t status = VIRTIO_STATUS_ACKNOWLEDGE;
  const struct window *window;
  if (!ids_known) read_ids(NULL, NULL);
  if (!(window = find(start->driver))) return;
  device->registers = window->registers;
  start->result = TOO_OLD;
  if (read_register(device, VIRTIO_MAGIC_VALUE) != VIRTIO_MAGIC || read_register(device, VIRTIO_VERSION) != 2) return;

  /* Reset, and wait until it is done. Then, one by one: we saw it, we have a driver. */
  start->result = STUCK;
  if (!reset(device)) return;
  write_register(device, VIRTIO_STATUS, status);
  status |= VIRTIO_STATUS_DRIVER;
  write_register(device, VIRTIO_STATUS, status);

  /* What it offers, which of it we take, and whether it agrees. */
  start->result = REFUSED;
  negotiate(device, start);
  if (!(device->features & VIRTIO_F_VERSION_1)) return write_register(device, VIRTIO_STATUS, status | VIRTIO_STATUS_FAILED);
  status |= VIRTIO_STATUS_FEATURES_OK;
  write_register(device, VIRTIO_STATUS, status);
  if (!(read_register(device, VIRTIO_STATUS) & VIRTIO_STATUS_FEATURES_OK))
    return write_register(device, VIRTIO_STATUS, status | VIRTIO_STATUS_FAILED);

  /* What it is like, its queues, its interrupt, and off it goes. */
  start->result = STUCK;
  if (start->driver->configure && !read_configuration(device, start->driver))
    return write_register(device, VIRTIO_STATUS, status | VIRTIO_STATUS_FAILED);
  for (unsigned i = 0; i < start->driver->queue_count; i++) set_up_queue(device, start->driver->queues[i]);
  *start->driver->registers = device->registers;
  ioapic_route(window->gsi, start->driver->vector);
  write_register(device, VIRTIO_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
  start->result = STARTED;
}

bool virtio_start(struct virtio_device *device, const struct virtio_driver *driver) {
  struct start start = {.device = device, .driver = driver, .result = ABSENT};
  if (ids_known && !find(driver)) return false;
  run_privileged(start_at_cpl0, &start);
  if (start.result == TOO_OLD) platform_log("virtio device %u speaks an old version: not used", driver->id);
  if (start.result == STUCK) platform_log("virtio device %u never settles: not used", driver->id);
  if (start.result == REFUSED)
    platform_log("virtio device %u refused features %lx of %lx: not used", driver->id, device->features, start.offered);
  if (start.result == STARTED) {
    for (unsigned i = 0; i < driver->queue_count; i++) virtq_start(driver->queues[i], device);
    return true;
  }
  *device = (struct virtio_device){0};
  return false;
}
