/* What the loader told us: RAM, the command line, the root file tree. */
#ifndef CLOISTER_BOOT_H
#define CLOISTER_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [start, end), physical. */
struct range {
  uint64_t start, end;
};

#define RAM_RANGES_MAX 16
#define RESERVED_MAX 16
#define FREE_RANGES_MAX (RAM_RANGES_MAX + RESERVED_MAX)
extern struct range ram_ranges[RAM_RANGES_MAX];
extern unsigned ram_range_count;

/* Reads the PVH start info and fills boot_facts. */
void boot_info_init(uint32_t start_info);

/* Takes `size` bytes of free RAM for good, page-aligned, below `limit`. Panics when there is none. */
struct range boot_reserve(uint64_t size, uint64_t limit);
/* What nothing holds yet, lowest first: how many ranges. */
unsigned boot_free_ranges(struct range free[FREE_RANGES_MAX]);

/* Whether the command line holds this word before " -- ". */
bool boot_option(const char *word);
/*
 * The value of the next key=value on the command line, not NUL-ended; NULL: no more. The whole line is searched, since
 * QEMU appends its virtio_mmio.device= after what the user wrote.
 */
const char *boot_option_value(const char *key, const char *after);
/* The part after " -- ", or NULL. */
const char *boot_program_line(void);

#endif
