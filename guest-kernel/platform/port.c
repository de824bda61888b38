#include "port.h"

#include "layout.h"
#include "platform.h"
#include "traps.h"

/* --- sending --- */

void sender_start(struct sender *sender) {
  for (unsigned i = 0; i < sender->queue.size; i++) sender->free[sender->free_count++] = (uint8_t)i;
}

static void reclaim(struct sender *sender) {
  unsigned id;
  uint32_t length;
  while (virtq_take(&sender->queue, &id, &length)) sender->free[sender->free_count++] = (uint8_t)id;
}

/* Halts until the host gives a buffer back, or `stop` says to give up. */
static void wait_for_buffer(struct sender *sender, bool (*stop)(void)) {
  virtq_kick(&sender->queue);
  for (;;) {
    virtq_want_interrupt(&sender->queue, true); /* each time: what is serviced below may send on its own */
    if (virtq_has_used(&sender->queue) || (stop && stop())) break;
    wait_for_interrupt();
    service_interrupts();
  }
  virtq_want_interrupt(&sender->queue, false);
  reclaim(sender);
}

static uint8_t *next_free(const struct sender *sender) {
  return sender->buffers + sender->free[sender->free_count - 1] * sender->buffer_size;
}

uint8_t *sender_buffer(struct sender *sender, bool (*stop)(void)) {
  reclaim(sender);
  if (!sender->free_count) wait_for_buffer(sender, stop);
  return sender->free_count ? next_free(sender) : NULL;
}

void sender_send(struct sender *sender, uint32_t length) {
  uint8_t *buffer = next_free(sender);
  virtq_add(&sender->queue, sender->free[--sender->free_count], PA(buffer), length, false);
}

void sender_flush(struct sender *sender) {
  if (!sender->queue.size) return;
  reclaim(sender);
  while (sender->queue.in_flight) wait_for_buffer(sender, NULL);
}

/* --- receiving --- */

static void post(struct receiver *receiver, unsigned id) {
  virtq_add(&receiver->queue, id, PA(receiver->buffers + id * receiver->buffer_size), receiver->buffer_size, true);
}

void receiver_start(struct receiver *receiver) {
  if (receiver->started) return;
  receiver->started = true;
  for (unsigned i = 0; i < receiver->queue.size; i++) post(receiver, i);
  virtq_kick(&receiver->queue);
}

const uint8_t *receiver_bytes(struct receiver *receiver, uint32_t *count) {
  while (!receiver->has_current) {
    uint32_t length;
    if (!virtq_take(&receiver->queue, &receiver->current, &length)) return NULL;
    receiver->offset = 0;
    receiver->length = length < receiver->buffer_size ? length : receiver->buffer_size;
    receiver->has_current = receiver->length;
    if (!receiver->length) post(receiver, receiver->current);
  }
  *count = receiver->length - receiver->offset;
  return receiver->buffers + receiver->current * receiver->buffer_size + receiver->offset;
}

void receiver_consume(struct receiver *receiver, uint32_t count) {
  receiver->offset += count;
  if (receiver->offset < receiver->length) return;
  receiver->has_current = false;
  post(receiver, receiver->current);
}
