/* The program's memory: which addresses are its own, and copying in and out of them. */
#ifndef PERSONALITY_MEMORY_H
#define PERSONALITY_MEMORY_H

#include "base.h"

/*
 * Where the kernel finds `size` bytes at the program's `address`, if all of them are the program's and it has these
 * rights (MAP_READ, MAP_WRITE); NULL otherwise. The one gate between the program's pointers and the kernel.
 */
void *user_range(uint64_t address, size_t size, unsigned rights);
/* 0 or -EFAULT. */
int copy_from_user(void *to, uint64_t from, size_t size);
int copy_to_user(uint64_t to, const void *from, size_t size);
/* Copies a NUL-ended string; its length, -EFAULT, or -ENAMETOOLONG when it does not fit. */
ssize_t copy_string_from_user(char *to, uint64_t from, size_t capacity);

/*
 * Pages that the program sees at an address of its own: image and stack. Either a block of the window, `backing` its
 * first page index and the rights of each page in its state byte; or pages of a file, where they lie, read-only.
 */
struct placement {
  uint64_t address;
  size_t pages, backing;
  const uint8_t *shared; /* NULL: a block of the window */
  unsigned rights;       /* of shared pages */
};
#define PLACEMENTS_MAX 65 /* one for each segment (elf.c), and the stack */
/* Records and maps a block of the window, by runs of equal rights. 0, -ENOMEM or -EINVAL. */
int memory_place(uint64_t address, size_t backing, size_t pages);
/* Records and maps pages of a file. 0, -ENOMEM or -EINVAL. */
int memory_share(uint64_t address, const uint8_t *bytes, size_t pages, unsigned rights);
/* Whether the page at this address is one of those. */
bool memory_shared(uint64_t address);

/* The page behind an address, whichever way the program sees it; SIZE_MAX when it is not the program's. */
size_t memory_page_of(uint64_t address);
/* For /proc: one line for each run of the program's pages with equal rights; how many pages it has. */
struct text;
void memory_describe(struct text *text);
size_t memory_program_pages(void);

#endif
