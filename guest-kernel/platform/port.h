/* One direction of a console port: a virtqueue with a buffer for each of its descriptors. */
#ifndef CLOISTER_PORT_H
#define CLOISTER_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtqueue.h"

/* To the host. Free buffers are taken last in, first out: a quiet program touches one. */
struct sender {
  struct virtqueue queue;
  uint8_t *buffers;
  uint32_t buffer_size;
  uint8_t free[VIRTQ_SIZE_MAX];
  unsigned free_count;
};

/* The device has the queue: all buffers are free. */
void sender_start(struct sender *sender);
/* The next free buffer, after waiting for one if need be; NULL: `stop` said to give up. NULL for stop: never. */
uint8_t *sender_buffer(struct sender *sender, bool (*stop)(void));
/* Sends the first bytes of what sender_buffer() returned. Kick when there is no more to send. */
void sender_send(struct sender *sender, uint32_t length);
/* Waits until the host has taken everything. */
void sender_flush(struct sender *sender);

/* From the host. */
struct receiver {
  struct virtqueue queue;
  uint8_t *buffers;
  uint32_t buffer_size;
  /* The buffer being read. */
  unsigned current;
  uint32_t offset, length;
  bool has_current, started;
};

/* Offers all buffers to the host, the first time it is called. */
void receiver_start(struct receiver *receiver);
/* Received bytes that follow each other, and how many; NULL: none now. */
const uint8_t *receiver_bytes(struct receiver *receiver, uint32_t *count);
/* So many of them are done with. Kick when there is no more to read. */
void receiver_consume(struct receiver *receiver, uint32_t count);

#endif
