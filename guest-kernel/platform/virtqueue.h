/*
 * Split virtqueues, the driver's side (virtio 1.2 section 2.7). A driver decides itself which descriptors are whose, so
 * there is nothing to allocate: a buffer of a console port is one descriptor, a disk's request is three that follow each
 * other. What it gives to the device it names by the number of the first one.
 */
#ifndef CLOISTER_VIRTQUEUE_H
#define CLOISTER_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio-mmio.h"

#define VIRTQ_SIZE_MAX 128

struct virtq_desc {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
} __attribute__((aligned(16)));
#define VIRTQ_DESC_F_NEXT 1  /* the chain goes on at `next` */
#define VIRTQ_DESC_F_WRITE 2 /* the device writes */

struct virtq_avail {
  uint16_t flags, index, ring[]; /* used_event after the last entry */
};
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1

struct virtq_used {
  uint16_t flags, index;
  struct {
    uint32_t id, length;
  } ring[]; /* avail_event after the last entry */
};
#define VIRTQ_USED_F_NO_NOTIFY 1

struct virtqueue {
  struct virtq_desc *desc;
  struct virtq_avail *avail;
  volatile struct virtq_used *used;
  unsigned index, size; /* size 0: the device does not have it */
  struct virtio_device *device;
  uint16_t next_used;   /* the next used entry to look at */
  uint16_t next_kick;   /* the first available entry the device has not been told of */
  uint16_t in_flight;
  uint64_t with_device[VIRTQ_SIZE_MAX / 64]; /* a bit for each buffer that is */
  bool wants_interrupt;
};

/* A queue of its device, with the memory of its three parts: `entries` is a power of two, at most VIRTQ_SIZE_MAX. */
#define VIRTQUEUE(number, entries) { \
  .desc = (struct virtq_desc[entries]){{0}}, \
  .avail = (struct virtq_avail *)(uint16_t[(entries) + 3]){0}, \
  .used = (volatile struct virtq_used *)(uint32_t[2 * (entries) + 2]){0}, \
  .index = (number), .size = (entries) \
}

/* The device works on it from now on. */
void virtq_start(struct virtqueue *queue, struct virtio_device *device);
/* Gives buffer number `id` (below the size, not in flight) to the device. It learns of it at the next kick. */
void virtq_add(struct virtqueue *queue, unsigned id, uint64_t pa, uint32_t length, bool device_writes);
/* The same for a chain of parts, in descriptors `id`, `id` + 1 and so on: first all that the device reads, then the rest. */
struct virtq_part {
  uint64_t pa;
  uint32_t length;
  bool device_writes;
};
void virtq_add_chain(struct virtqueue *queue, unsigned id, const struct virtq_part *parts, unsigned count);
/* Tells the device, if it wants to know. */
void virtq_kick(struct virtqueue *queue);
/* Takes back one buffer the device is done with. */
bool virtq_take(struct virtqueue *queue, unsigned *id, uint32_t *length);
bool virtq_has_used(const struct virtqueue *queue);
/* Whether the next used buffer shall interrupt. Look at virtq_has_used() after turning it on. */
void virtq_want_interrupt(struct virtqueue *queue, bool wanted);
/* Once: when so many more are used. A device without event index interrupts at each. */
void virtq_want_interrupt_after(struct virtqueue *queue, unsigned count);

#endif
