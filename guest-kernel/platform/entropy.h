#ifndef CLOISTER_ENTROPY_H
#define CLOISTER_ENTROPY_H

#include <stdint.h>

/* Finds the virtio entropy device and asks it for a seed, without waiting. */
void entropy_init(void);
extern volatile uint8_t *entropy_registers;

#endif
