/*
 * Powers of two up to 2 KiB, each with a list of free blocks cut from whole pages; larger blocks are pages. Sized
 * frees need no headers, and blocks of one size share their pages for good.
 */
#include "heap.h"
#include "window.h"

#define SMALLEST_SHIFT 5
#define LARGEST_SHIFT 11

struct free_block {
  struct free_block *next;
};
static struct free_block *free_blocks[LARGEST_SHIFT + 1];

static unsigned class_of(size_t size) {
  unsigned shift = SMALLEST_SHIFT;
  while (((size_t)1 << shift) < size) shift++;
  return shift;
}

static bool refill(unsigned shift) {
  uint8_t *page = pages_alloc(1);
  if (!page) return false;
  for (size_t offset = 0; offset < PAGE_BYTES; offset += (size_t)1 << shift) {
    struct free_block *block = (struct free_block *)(page + offset);
    block->next = free_blocks[shift];
    free_blocks[shift] = block;
  }
  return true;
}

void *heap_alloc(size_t size) {
  if (size > (size_t)1 << LARGEST_SHIFT) return size > SIZE_MAX - PAGE_BYTES ? NULL : pages_alloc(PAGES_OF(size));
  unsigned shift = class_of(size);
  if (!free_blocks[shift] && !refill(shift)) return NULL;
  struct free_block *block = free_blocks[shift];
  free_blocks[shift] = block->next;
  return memset(block, 0, (size_t)1 << shift);
}

void heap_free(void *block, size_t size) {
  if (!block) return;
  if (size > (size_t)1 << LARGEST_SHIFT) {
    pages_free(block, PAGES_OF(size));
    return;
  }
  unsigned shift = class_of(size);
  ((struct free_block *)block)->next = free_blocks[shift];
  free_blocks[shift] = block;
}
