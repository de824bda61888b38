/*
 * Split virtqueues, the driver's side (virtio 1.2 section 2.7), as the drivers here need them: a buffer is one
 * descriptor, and its owner names it by the descriptor's number.
 */
#ifndef CLOISTER_VIRTQUEUE_H
#define CLOISTER_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio-mmio.h"

#define VIRTQ_SIZE_MAX 64

struct virtq_desc {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
};
#define VIRTQ_DESC_F_WRITE 2 /* the device writes */

struct virtq_avail {
  uint16_t flags, index, ring[VIRTQ_SIZE_MAX + 1]; /* used_event after the last entry */
};
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1

struct virtq_used {
  uint16_t flags, index;
  struct {
    uint32_t id, length;
  } ring[VIRTQ_SIZE_MAX]; /* avail_event after the last entry */
  uint16_t avail_event;
};
#define VIRTQ_USED_F_NO_NOTIFY 1

struct virtqueue {
  _Alignas(16) struct virtq_desc desc[VIRTQ_SIZE_MAX];
  struct virtq_avail avail;
  _Alignas(4) volatile struct virtq_used used;
  unsigned index, size; /* size 0: the device does not have it */
  struct virtio_device *device;
  uint16_t next_used;   /* the next used entry to look at */
  uint16_t next_kick;   /* the first available entry the device has not been told of */
  uint16_t in_flight;
  bool wants_interrupt;
};

/* The device works on it from now on. `index` and `size` (a power of two, at most VIRTQ_SIZE_MAX) were set before. */
void virtq_start(struct virtqueue *queue, struct virtio_device *device);
/* Gives buffer number `id` (below the size, not in flight) to the device. It learns of it at the next kick. */
void virtq_add(struct virtqueue *queue, unsigned id, uint64_t pa, uint32_t length, bool device_writes);
void virtq_kick(struct virtqueue *queue);
/* Takes back one buffer the device is done with. */
bool virtq_take(struct virtqueue *queue, unsigned *id, uint32_t *length);
bool virtq_has_used(const struct virtqueue *queue);
/* Whether the next used buffer shall interrupt. Look at virtq_has_used() after turning it on. */
void virtq_want_interrupt(struct virtqueue *queue, bool wanted);

#endif
