/* Page tables: built once at CPL3 on the scaffold, then out of everybody's reach. */
#ifndef CLOISTER_PAGES_H
#define CLOISTER_PAGES_H

#include <stddef.h>
#include <stdint.h>

/* Reserves the pool and builds the kernel's own tables. */
void pages_init(void);
/* At CPL0: leaves the boot tables for them. */
void pages_start(void);
/* Maps a device's registers, uncached: where they are from now on. */
volatile void *pages_map_device(uint64_t pa, uint64_t size);
/* The physical address of `count` bytes of kernel memory, the window or the program, and how many follow in one piece. */
uint64_t pages_physical(const void *address, size_t count, size_t *contiguous);

#endif
