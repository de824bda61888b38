#include "virtqueue.h"

#include "platform.h"
#include "virtio-registers.h"

void virtq_start(struct virtqueue *queue, struct virtio_device *device) {
  queue->device = device;
  virtq_want_interrupt(queue, false);
}

static bool has_event_index(const struct virtqueue *queue) { return queue->device->features & VIRTIO_F_EVENT_IDX; }

/* The event fields lie after the rings' last entries in use, whatever their declared size. */
static volatile uint16_t *used_event(struct virtqueue *queue) { return &queue->avail.ring[queue->size]; }
static volatile uint16_t *avail_event(struct virtqueue *queue) {
  return (volatile uint16_t *)&queue->used.ring[queue->size];
}

void virtq_add(struct virtqueue *queue, unsigned id, uint64_t pa, uint32_t length, bool device_writes) {
  queue->desc[id] = (struct virtq_desc){pa, length, device_writes ? VIRTQ_DESC_F_WRITE : 0, 0};
  queue->avail.ring[queue->avail.index % queue->size] = (uint16_t)id;
  queue->in_flight++;
  /* The device may look as soon as the index moves: everything before must be visible first. */
  __atomic_store_n(&queue->avail.index, (uint16_t)(queue->avail.index + 1), __ATOMIC_RELEASE);
}

/* Section 2.7.13.4. */
void virtq_kick(struct virtqueue *queue) {
  uint16_t now = queue->avail.index, before = queue->next_kick;
  if (now == before) return;
  queue->next_kick = now;
  /* x86 lets a load pass an earlier store: without this fence both sides could miss each other's news. */
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  bool wanted = has_event_index(queue) ? (uint16_t)(now - *avail_event(queue) - 1) < (uint16_t)(now - before)
                                       : !(queue->used.flags & VIRTQ_USED_F_NO_NOTIFY);
  if (wanted) *(volatile uint32_t *)(queue->device->registers + VIRTIO_QUEUE_NOTIFY) = queue->index;
}

bool virtq_has_used(const struct virtqueue *queue) {
  return __atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) != queue->next_used;
}

bool virtq_take(struct virtqueue *queue, unsigned *id, uint32_t *length) {
  if (!virtq_has_used(queue)) return false;
  unsigned at = queue->next_used % queue->size;
  *id = queue->used.ring[at].id;
  *length = queue->used.ring[at].length;
  if (*id >= queue->size || !queue->in_flight) platform_panic("queue %u: the device returned buffer %u", queue->index, *id);
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
    queue->avail.flags = wanted ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
