/* Page tables: built once at CPL3 on the scaffold, then out of everybody's reach. */
#ifndef CLOISTER_PAGES_H
#define CLOISTER_PAGES_H

#include <stddef.h>
#include <stdint.h>

/* Reserves the pool and builds the kernel's own tables. */
void pages_init(void);
/* At CPL0: leaves the boot tables for them. */
void pages_start(void);
/* Maps free RAM in the window's own place. */
void pages_map_window(uint64_t va, uint64_t pa, uint64_t size);
/* Maps a device's registers, uncached: where they are from now on. */
volatile void *pages_map_device(uint64_t pa, uint64_t size);

#endif
