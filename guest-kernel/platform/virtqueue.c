#include "virtqueue.h"

#include "platform.h"
#include "virtio-registers.h"

void virtq_start(struct virtqueue *queue, struct virtio_device *device) {
  queue->device = device;
  virtq_want_interrupt(queue, false);
}

static bool has_event_index(const struct virtqueue *queue) { return queue->device->features & VIRTIO_F_EVENT_IDX; }

/* The event fields lie after the rings' last entries in use, whatever their declared size. */
static volatile uint16_t *used_event(struct virtqueue *queue) { return &queue->avail->ring[queue->size]; }
static volatile uint16_t *avail_event(struct virtqueue *queue) {
  return (volatile uint16_t *)&queue->used->ring[queue->size];
}

static uint64_t *word_of(struct virtqueue *queue, unsigned id) { return &queue->with_device[id / 64]; }
static uint64_t bit_of(unsigned id) { return 1ull << id % 64; }

/* Sections 2.7.13.2 and 2.7.13.3. */
static void make_available(struct virtqueue *queue, unsigned id) {
  queue->avail->ring[queue->avail->index % queue->size] = (uint16_t)id;
  queue->in_flight++;
  *word_of(queue, id) |= bit_of(id);
  /* The device may look as soon as the index moves: everything before must be visible first. */
  __atomic_store_n(&queue->avail->index, (uint16_t)(queue->avail->index + 1), __ATOMIC_RELEASE);
}

void virtq_add(struct virtqueue *queue, unsigned id, uint64_t pa, uint32_t length, bool device_writes) {
  queue->desc[id] = (struct virtq_desc){pa, length, device_writes ? VIRTQ_DESC_F_WRITE : 0, 0};
  make_available(queue, id);
}

void virtq_add_chain(struct virtqueue *queue, unsigned id, const struct virtq_part *parts, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    uint16_t flags = (parts[i].device_writes ? VIRTQ_DESC_F_WRITE : 0) | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0);
    queue->desc[id + i] = (struct virtq_desc){parts[i].pa, parts[i].length, flags, (uint16_t)(id + i + 1)};
  }
  make_available(queue, id);
}

/* Section 2.7.13.4. */
void virtq_kick(struct virtqueue *queue) {
  uint16_t now = queue->avail->index, before = queue->next_kick;
  if (now == before) return;
  queue->next_kick = now;
  /* x86 lets a load pass an earlier store: without this fence both sides could miss each other's news. */
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  bool wanted = has_event_index(queue) ? (uint16_t)(now - *avail_event(queue) - 1) < (uint16_t)(now - before)
                                       : !(queue->used->flags & VIRTQ_USED_F_NO_NOTIFY);
  if (wanted) *(volatile uint32_t *)(queue->device->registers + VIRTIO_QUEUE_NOTIFY) = queue->index;
}

bool virtq_has_used(const struct virtqueue *queue) {
  return __atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) != queue->next_used;
}

bool virtq_take(struct virtqueue *queue, unsigned *id, uint32_t *length) {
  if (!virtq_has_used(queue)) return false;
  unsigned at = queue->next_used % queue->size;
  *id = queue->used->ring[at].id;
  *length = queue->used->ring[at].length;
  if (*id >= queue->size || !(*word_of(queue, *id) & bit_of(*id)))
    platform_panic("queue %u: the device returned buffer %u, which it does not have", queue->index, *id);
  *word_of(queue, *id) &= ~bit_of(*id);
  queue->next_used++;
  queue->in_flight--;
  if (queue->wants_interrupt) virtq_want_interrupt(queue, true);
  return true;
}

/* Section 2.7.7. Without event index the flag is only a hint, with it the index of the entry that shall interrupt. */
void virtq_want_interrupt(struct virtqueue *queue, bool wanted) {
  queue->wants_interrupt = wanted;
  if (has_event_index(queue))
    *used_event(queue) = (uint16_t)(queue->next_used - !wanted);
  else
    queue->avail->flags = wanted ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void virtq_want_interrupt_after(struct virtqueue *queue, unsigned count) {
  virtq_want_interrupt(queue, true);
  queue->wants_interrupt = false; /* not moved on as buffers come back */
  if (!has_event_index(queue)) return;
  *used_event(queue) = (uint16_t)(queue->next_used + count - 1);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
