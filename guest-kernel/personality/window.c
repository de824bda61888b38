/*
 * One state byte for each 4 KiB page of the window. The kernel takes pages from the bottom, the program's mappings
 * come from the top, and brk grows in between, so that each can usually grow where it is.
 *
 * A page that nobody ever had is zero already and stays untouched until its owner writes to it: touching memory
 * costs the host a page fault and real memory. Only used pages are cleared again.
 */
#include "window.h"

uint8_t *window_base;
size_t window_pages;
uint8_t *page_state;
size_t pages_kernel_limit;

static size_t free_count;
static size_t lowest_free;  /* no free page below */
static size_t highest_free; /* no free page at or above */

void window_init(void) {
  struct memory_window window = platform_memory();
  window_base = window.base;
  window_pages = window.size / PAGE_BYTES;
  page_state = window.base;
  size_t map_pages = PAGES_OF(window_pages);
  memset(page_state, PAGE_USED | PAGE_STALE, map_pages);
  free_count = window_pages - map_pages;
  lowest_free = map_pages;
  highest_free = window_pages;
  pages_kernel_limit = map_pages + free_count / 4;
}

size_t pages_free_count(void) { return free_count; }

static bool all_free(size_t first, size_t count) {
  if (first > window_pages || count > window_pages - first) return false;
  for (size_t i = first; i < first + count; i++)
    if (page_state[i] & PAGE_USED) return false;
  return true;
}

/* Makes free pages someone's, and clears those that held bytes. */
static void take(size_t first, size_t count, unsigned state) {
  for (size_t i = first; i < first + count; i++) {
    if (page_state[i] & PAGE_STALE) memset(page_address(i), 0, PAGE_BYTES);
    page_state[i] = (uint8_t)(PAGE_USED | PAGE_STALE | state);
  }
  free_count -= count;
  if (first == lowest_free) lowest_free = first + count;
  if (first + count == highest_free) highest_free = first;
}

static size_t find_low(size_t count, size_t limit) {
  size_t run = 0;
  for (size_t i = lowest_free; i < limit; i++) {
    run = page_state[i] & PAGE_USED ? 0 : run + 1;
    if (run == count) return i + 1 - count;
  }
  return SIZE_MAX;
}

static size_t find_high(size_t count) {
  size_t run = 0;
  for (size_t i = highest_free; i > lowest_free; i--) {
    run = page_state[i - 1] & PAGE_USED ? 0 : run + 1;
    if (run == count) return i - 1;
  }
  return SIZE_MAX;
}

void *pages_alloc(size_t count) {
  if (count == 0 || count > free_count) return NULL;
  size_t first = find_low(count, pages_kernel_limit);
  if (first == SIZE_MAX) first = find_high(count);
  if (first == SIZE_MAX) return NULL;
  take(first, count, 0);
  return page_address(first);
}

bool pages_extend(void *run, size_t count, size_t more) {
  size_t behind = page_index((uintptr_t)run) + count;
  if (!all_free(behind, more)) return false;
  take(behind, more, 0);
  return true;
}

void pages_free(void *run, size_t count) { pages_release(page_index((uintptr_t)run), count); }

size_t pages_take_high(size_t count, unsigned state) {
  if (count == 0 || count > free_count) return SIZE_MAX;
  size_t first = find_high(count);
  if (first != SIZE_MAX) take(first, count, state);
  return first;
}

bool pages_take_at(size_t first, size_t count, unsigned state) {
  if (!all_free(first, count)) return false;
  take(first, count, state);
  return true;
}

void pages_release(size_t first, size_t count) {
  for (size_t i = first; i < first + count; i++) {
    if (!(page_state[i] & PAGE_USED)) platform_panic("page %lu freed twice", (unsigned long)i);
    page_state[i] = PAGE_STALE;
  }
  free_count += count;
  if (first < lowest_free) lowest_free = first;
  if (first + count > highest_free) highest_free = first + count;
}
