#ifndef CLOISTER_MEMORY_H
#define CLOISTER_MEMORY_H

#include <stdint.h>

/* Where a piece of the window really is, and how much of it in one stretch; 0: it is not in the window. */
uint64_t memory_physical(const void *backing, uint64_t size, uint64_t *contiguous);
/* The same, for the kernel's own data as well: what a device may be pointed at. */
uint64_t memory_for_device(const void *bytes, uint64_t size, uint64_t *contiguous);

#endif
