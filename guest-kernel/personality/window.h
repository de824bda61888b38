/* The page allocator: who has which page of the memory window, and what the program may do with its own. */
#ifndef PERSONALITY_WINDOW_H
#define PERSONALITY_WINDOW_H

#include "base.h"

/* The state of a page is one byte; 0 is free and known to be zero. */
#define PAGE_RIGHTS 0x07u   /* MAP_READ, MAP_WRITE, MAP_EXEC: what the program may have done to it on its behalf */
#define PAGE_WRITABLE 0x08u /* with PAGE_PLACED: the hardware mapping allows writing, whatever the rights say now */
#define PAGE_PLACED 0x10u   /* the program sees it at another address: its image and its stack */
#define PAGE_STALE 0x20u    /* has held bytes: to be cleared before its next owner */
#define PAGE_PROGRAM 0x40u  /* the program sees it at its window address: brk and mmap */
#define PAGE_USED 0x80u

extern uint8_t *window_base;
extern size_t window_pages;
extern uint8_t *page_state;

void window_init(void);
size_t pages_free_count(void);

/* For the kernel: `count` pages of zeroes, or NULL. */
void *pages_alloc(size_t count);
/* Adds pages right behind a run of the kernel's, if they are free. */
bool pages_extend(void *run, size_t count, size_t more);
void pages_free(void *run, size_t count);

/* For the program: index of the first of `count` zeroed pages taken with these state bits, or SIZE_MAX. */
size_t pages_take_high(size_t count, unsigned state);
/* Takes exactly these pages; false when one is in use. */
bool pages_take_at(size_t first, size_t count, unsigned state);
void pages_release(size_t first, size_t count);
/* Keeps the kernel's small allocations below this page while there is room: brk starts here and grows upwards. */
extern size_t pages_kernel_limit;

static inline uint8_t *page_address(size_t index) { return window_base + index * PAGE_BYTES; }
static inline size_t page_index(uint64_t address) { return (address - (uintptr_t)window_base) / PAGE_BYTES; }

#endif
