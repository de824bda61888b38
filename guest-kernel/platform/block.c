/*
 * The driver of disks, virtio 1.2 section 5.2. A request is three descriptors: a header that the device reads, the
 * bytes, and one byte of status that the device writes. Each of the slots below has three descriptors of the queue for
 * its own, so what is under way is a stack of free slots and nothing else.
 *
 * The program waits for its bytes; depth comes from cutting a large transfer into many requests (disk.c). All of them
 * are announced by one kick, and the device is asked for one interrupt, when the last is done.
 */
#include "block.h"

#include "traps.h"
#include "virtio-mmio.h"
#include "virtqueue.h"

/* Feature bits (section 5.2.3). */
#define VIRTIO_BLK_F_RO (1ull << 5)
#define VIRTIO_BLK_F_BLK_SIZE (1ull << 6)
#define VIRTIO_BLK_F_FLUSH (1ull << 9)

/* Configuration (section 5.2.4). */
#define CONFIG_CAPACITY 0 /* in sectors of 512 bytes, 64 bits */
#define CONFIG_BLK_SIZE 20

#define VIRTIO_BLK_S_OK 0

/* What the device reads first, and what it writes last (section 5.2.6). */
struct header {
  uint32_t type, reserved;
  uint64_t sector;
};

#define QUEUE_SIZE 128
#define DESCRIPTORS_EACH 3
#define SLOTS (QUEUE_SIZE / DESCRIPTORS_EACH)

/* How long to look for an answer before halting: see seen_soon(). */
#define LOOK_MAX_NS 200000 /* as Linux' guest_halt_poll_ns */
#define LOOK_AGAIN 8       /* waits until the full time is tried once more */

static struct disk {
  struct virtio_device device;
  struct disk_facts facts;
  struct virtqueue queue;
  struct virtq_desc desc[QUEUE_SIZE];
  uint16_t avail[QUEUE_SIZE + 3];
  uint32_t used[2 * QUEUE_SIZE + 2];

  struct block_request *requests[SLOTS];
  struct header headers[SLOTS];
  volatile uint8_t statuses[SLOTS];
  uint8_t free[SLOTS];
  unsigned free_count;

  uint64_t look_ns; /* how long to look before halting */
  unsigned waits;
} disks[DISKS_MAX];
static unsigned disk_count;

volatile uint8_t *disk_registers[DISKS_MAX];

/* --- boot --- */

static void configure(struct virtio_device *device) {
  struct disk *disk = &disks[disk_count];
  uint64_t sectors = virtio_config32(device, CONFIG_CAPACITY) | (uint64_t)virtio_config32(device, CONFIG_CAPACITY + 4) << 32;
  uint32_t block = device->features & VIRTIO_BLK_F_BLK_SIZE ? virtio_config32(device, CONFIG_BLK_SIZE) : SECTOR_SIZE;
  if (block < SECTOR_SIZE || block > PAGE_SIZE || block & (block - 1)) block = SECTOR_SIZE;
  if (sectors > INT64_MAX / SECTOR_SIZE) sectors = INT64_MAX / SECTOR_SIZE;
  disk->facts.bytes = sectors * SECTOR_SIZE & -(uint64_t)block; /* whole blocks */
  disk->facts.sector_bytes = block;
  disk->facts.read_only = device->features & VIRTIO_BLK_F_RO;
}

static bool start(struct disk *disk, unsigned number) {
  disk->look_ns = LOOK_MAX_NS;
  disk->queue = (struct virtqueue){.desc = disk->desc, .avail = (struct virtq_avail *)disk->avail,
                                   .used = (volatile struct virtq_used *)disk->used, .size = QUEUE_SIZE};
  struct virtqueue *queues[] = {&disk->queue};
  const struct virtio_driver driver = {
      .id = VIRTIO_ID_BLOCK, .instance = number, .features = VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH,
      .vector = VECTOR_DISKS + number, .registers = &disk_registers[number],
      .queues = queues, .queue_count = 1, .configure = configure};
  if (!virtio_start(&disk->device, &driver) || disk->queue.size < DESCRIPTORS_EACH) return false;
  for (unsigned slot = disk->queue.size / DESCRIPTORS_EACH; slot-- > 0;) disk->free[disk->free_count++] = (uint8_t)slot;
  return true;
}

void block_init(void) {
  while (disk_count < DISKS_MAX && start(&disks[disk_count], disk_count)) disk_count++;
}

unsigned platform_disk_count(void) { return disk_count; }
const struct disk_facts *platform_disk(unsigned disk) { return disk < disk_count ? &disks[disk].facts : NULL; }

/* --- requests --- */

bool block_submit(unsigned number, struct block_request *request) {
  struct disk *disk = &disks[number];
  /* Without the feature there is nothing to flush: what is written is stable when the device says so (section 5.2.6.2). */
  if (request->type == BLOCK_FLUSH && !(disk->device.features & VIRTIO_BLK_F_FLUSH)) {
    request->done = true, request->failed = false;
    return true;
  }
  if (!disk->free_count) return false;
  unsigned slot = disk->free[--disk->free_count];
  disk->requests[slot] = request;
  disk->headers[slot] = (struct header){request->type, 0, request->type == BLOCK_FLUSH ? 0 : request->sector};
  disk->statuses[slot] = (uint8_t)~VIRTIO_BLK_S_OK;
  request->done = request->failed = false;

  const struct virtq_part header = {PA(&disk->headers[slot]), sizeof(struct header), false};
  const struct virtq_part bytes = {request->pa, request->length, request->type == BLOCK_READ};
  const struct virtq_part status = {PA(&disk->statuses[slot]), 1, true};
  const struct virtq_part transfer[] = {header, bytes, status}, flush[] = {header, status};
  virtq_add_chain(&disk->queue, slot * DESCRIPTORS_EACH, request->length ? transfer : flush, request->length ? 3 : 2);
  return true;
}

/* Takes back what the device is done with. */
static void reap(struct disk *disk) {
  unsigned id;
  uint32_t length;
  while (virtq_take(&disk->queue, &id, &length)) {
    unsigned slot = id / DESCRIPTORS_EACH;
    disk->requests[slot]->done = true;
    disk->requests[slot]->failed = disk->statuses[slot] != VIRTIO_BLK_S_OK;
    disk->free[disk->free_count++] = (uint8_t)slot;
  }
}

void block_kick(unsigned number) { virtq_kick(&disks[number].queue); }

/*
 * A device that has the bytes at hand answers sooner than a processor is halted and woken: it is looked for first,
 * without an interrupt, for a while that shrinks when looking was in vain. Linux has its haltpoll governor for it.
 */
static bool seen_soon(struct disk *disk) {
  if (++disk->waits % LOOK_AGAIN == 0) disk->look_ns = LOOK_MAX_NS;
  if (!disk->look_ns) return false;
  const uint64_t end = platform_monotonic_ns() + disk->look_ns;
  while (!virtq_has_used(&disk->queue)) {
    if (platform_monotonic_ns() >= end) {
      disk->look_ns /= 4;
      return false;
    }
    __builtin_ia32_pause();
  }
  disk->look_ns = LOOK_MAX_NS;
  return true;
}

static void wait_until(struct disk *disk, unsigned left) {
  virtq_kick(&disk->queue);
  for (reap(disk); disk->queue.in_flight > left; reap(disk)) {
    if (seen_soon(disk)) continue;
    virtq_want_interrupt_after(&disk->queue, disk->queue.in_flight - left);
    if (virtq_has_used(&disk->queue)) continue; /* done just before we asked */
    wait_for_interrupt();
    service_interrupts();
  }
  virtq_want_interrupt(&disk->queue, false);
}

void block_wait(unsigned number) { wait_until(&disks[number], 0); }

void block_wait_any(unsigned number) {
  const unsigned now = disks[number].queue.in_flight;
  if (now) wait_until(&disks[number], now - 1);
}
