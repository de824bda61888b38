/*
 * The window: all RAM that neither the image, its page tables nor the root file tree takes, in one piece. Usually that
 * is one range of the direct map. Where device windows below 4 GiB cut RAM in two large parts, these are mapped once
 * more, one after the other.
 */
#include "memory.h"

#include "boot.h"
#include "layout.h"
#include "pages.h"
#include "platform.h"

#define LARGE_PAGE 0x200000ull

static struct part {
  uint64_t va, pa, size;
} parts[FREE_RANGES_MAX];
static unsigned part_count;

static void add_part(uint64_t va, uint64_t pa, uint64_t size) { parts[part_count++] = (struct part){va, pa, size}; }

/* Ranges of whole 2 MiB pages only: what is cut off at their edges is not worth its page tables. */
static void join_ranges(const struct range *free, unsigned count) {
  uint64_t va = WINDOW_BASE;
  for (unsigned i = 0; i < count; i++) {
    uint64_t start = (free[i].start + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1), end = free[i].end & ~(LARGE_PAGE - 1);
    if (start >= end) continue;
    pages_map_window(va, start, end - start);
    add_part(va, start, end - start);
    va += end - start;
  }
}

struct memory_window platform_memory(void) {
  struct range free[FREE_RANGES_MAX], largest = {0, 0};
  unsigned count = boot_free_ranges(free);
  uint64_t total = 0;
  for (unsigned i = 0; i < count; i++) {
    uint64_t size = free[i].end - free[i].start;
    total += size;
    if (size > largest.end - largest.start) largest = free[i];
  }
  uint64_t largest_size = largest.end - largest.start;
  if (largest_size > total / 8 * 7 && total - largest_size < (64ull << 20)) {
    add_part(largest.start + KERNEL_BASE, largest.start, largest_size);
    return (struct memory_window){VA(largest.start), largest_size};
  }
  join_ranges(free, count);
  const struct part *last = &parts[part_count - 1];
  return (struct memory_window){(uint8_t *)WINDOW_BASE, last->va + last->size - WINDOW_BASE};
}

uint64_t memory_physical(const void *backing, uint64_t size, uint64_t *contiguous) {
  uint64_t va = (uint64_t)backing;
  for (unsigned i = 0; i < part_count; i++) {
    if (va < parts[i].va || va >= parts[i].va + parts[i].size) continue;
    uint64_t rest = parts[i].va + parts[i].size - va;
    *contiguous = size < rest ? size : rest;
    return parts[i].pa + (va - parts[i].va);
  }
  /* The root file tree lies outside the window, in one piece of the direct map. */
  uint64_t tree = (uint64_t)boot_facts.root_cpio;
  if (va >= tree && va - tree < boot_facts.root_cpio_size) {
    uint64_t end = (tree + boot_facts.root_cpio_size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1), rest = end - va;
    *contiguous = size < rest ? size : rest;
    return va - KERNEL_BASE;
  }
  return 0;
}

uint64_t memory_for_device(const void *bytes, uint64_t size, uint64_t *contiguous) {
  extern const uint8_t rodata_end[], image_end[];
  const uint8_t *at = bytes;
  if (at < rodata_end || at >= image_end) return memory_physical(bytes, size, contiguous);
  *contiguous = size < (uint64_t)(image_end - at) ? size : (uint64_t)(image_end - at);
  return PA(at);
}
