#ifndef CLOISTER_ENTROPY_H
#define CLOISTER_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

/* Finds the virtio entropy device and asks it for a seed, without waiting. */
void entropy_init(void);
/* Mixes bytes of the host's into what comes next. */
void entropy_add(const uint8_t *bytes, size_t count);
extern volatile uint8_t *entropy_registers;

#endif
