/* virtio-net, virtio 1.2 section 5.1: frames between the wire and the stack (net/stack.h). */
#ifndef CLOISTER_NET_H
#define CLOISTER_NET_H

#include <stdint.h>

extern volatile uint8_t *net_registers; /* for interrupt.S */
/* Starts the network device, if there is one, and gives the machine the address that the command line says. */
void net_init(void);
/* An interrupt came: takes the frames that arrived. */
void net_interrupted(void);

#endif
