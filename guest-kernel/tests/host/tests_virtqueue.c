/* Virtqueues, the driver's side: what it tells the device, and what it believes of the answers. */
#include "test.h"

#include "../../platform/virtio-registers.h"
#include "../../platform/virtqueue.h"

static uint8_t registers[256];
static struct virtio_device device = {.registers = registers};
static struct virtqueue queue;

#define ENTRIES 4

static void start(uint64_t features) {
  queue = (struct virtqueue)VIRTQUEUE(7, ENTRIES);
  device.features = features;
  virtq_start(&queue, &device);
}

/* Whether the driver told the device since we asked last. */
static bool kicked(void) {
  volatile uint32_t *notify = (volatile uint32_t *)(registers + VIRTIO_QUEUE_NOTIFY);
  bool any = *notify == 7;
  *notify = 0;
  return any;
}

/* The device's answer. */
static void use(unsigned id, uint32_t length) {
  queue.used->ring[queue.used->index % ENTRIES].id = id;
  queue.used->ring[queue.used->index % ENTRIES].length = length;
  queue.used->index++;
}

static bool refused(void) {
  unsigned id;
  uint32_t length;
  shim.departure = STAYED;
  if (!setjmp(shim.back)) virtq_take(&queue, &id, &length);
  return shim.departure == PANICKED;
}

static void buffers_come_back_in_any_order(void) {
  unsigned id;
  uint32_t length;
  start(0);
  for (unsigned i = 0; i < ENTRIES; i++) virtq_add(&queue, i, 0x1000, 16, true);
  use(2, 5), use(0, 0);
  CHECK(virtq_take(&queue, &id, &length) && id == 2 && length == 5 && virtq_take(&queue, &id, &length) && id == 0);
  CHECK(!virtq_take(&queue, &id, &length) && queue.in_flight == 2);
}

static void answers_about_nothing_are_refused(void) {
  static const unsigned wrong[] = {0, 2, 3, 4, 70000, UINT32_MAX}; /* 1 has been given; 2 is the inside of its chain */
  const struct virtq_part parts[] = {{0x1000, 16, false}, {0x2000, 1, true}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    start(0);
    virtq_add_chain(&queue, 1, parts, 2);
    use(wrong[i], 1);
    CHECK(refused());
  }
  unsigned id;
  uint32_t length;
  start(0);
  virtq_add(&queue, 1, 0x1000, 16, true);
  virtq_add(&queue, 3, 0x1000, 16, true);
  use(1, 1), use(1, 1); /* twice */
  CHECK(virtq_take(&queue, &id, &length) && refused());
}

/* More than 65536 of them: the indexes wrap. */
static void the_event_index_saves_kicks(void) {
  unsigned id;
  uint32_t length;
  volatile uint16_t *avail_event;
  start(VIRTIO_F_EVENT_IDX);
  avail_event = (volatile uint16_t *)&queue.used->ring[ENTRIES];
  for (uint32_t i = 0; i < 70000; i++) {
    const bool wanted = i % 3 == 0;
    *avail_event = (uint16_t)(wanted ? i : i - 1);
    virtq_add(&queue, i % ENTRIES, 0x1000, 16, true);
    virtq_kick(&queue);
    CHECK(kicked() == wanted);
    use(i % ENTRIES, 0);
    CHECK(virtq_take(&queue, &id, &length) && id == i % ENTRIES);
  }
}

static void interrupts_are_asked_for_by_index(void) {
  const uint16_t *used_event;
  start(VIRTIO_F_EVENT_IDX);
  used_event = &queue.avail->ring[ENTRIES];
  queue.next_used = 65535;
  virtq_want_interrupt(&queue, true);
  CHECK(*used_event == 65535);
  virtq_want_interrupt_after(&queue, 3);
  CHECK(*used_event == 1);
  virtq_want_interrupt(&queue, false);
  CHECK(*used_event == 65534);
}

const struct test virtqueue_tests[] = {
  {"a virtqueue takes its buffers back in any order", buffers_come_back_in_any_order},
  {"a virtqueue refuses buffers that the device does not have, or gave back before", answers_about_nothing_are_refused},
  {"a virtqueue tells the device only when it asked to be told, also when indexes wrap", the_event_index_saves_kicks},
  {"a virtqueue asks for the interrupt of an entry, also when indexes wrap", interrupts_are_asked_for_by_index},
  {0},
};
