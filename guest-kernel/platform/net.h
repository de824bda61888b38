/* virtio-net, virtio 1.2 section 5.1: frames between the wire and the stack (net/stack.h). */
#ifndef CLOISTER_NET_H
#define CLOISTER_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern volatile uint8_t *net_registers; /* for interrupt.S */
/* Starts the network device, if there is one, and gives the machine the address that the command line says. */
void net_init(void);
/* An interrupt came: takes the frames that arrived. */
void net_interrupted(void);

/* The machine is plugged in elsewhere, with this card. */
void net_moved(const uint8_t *mac);

/* Frames since boot, whatever became of them. */
struct net_counts {
  uint64_t received, sent;
};
extern struct net_counts net_counts;

/* For who waits rather than loses a frame. False: all buffers are under way. */
bool net_send(const void *frame, size_t length);
/* Halts until at most so many frames are under way. */
void net_wait_sent(unsigned left);

#endif
