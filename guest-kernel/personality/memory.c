/* Checks and copies for every pointer the program hands us. There are no page faults to rely on: all is looked up. */
#include "memory.h"
#include "window.h"
#include "text.h"

static struct placement placements[PLACEMENTS_MAX];
static size_t placement_count;

/* Whether the pages hold the wanted state bits, all of them. */
static bool pages_have(size_t first, size_t count, unsigned state) {
  for (size_t i = first; i < first + count; i++)
    if ((page_state[i] & state) != state) return false;
  return true;
}

/* The placement that holds an address; a shared one comes first where a block of the window leaves room for it. */
static const struct placement *placement_of(uint64_t address) {
  for (size_t i = 0; i < placement_count; i++)
    if (address - placements[i].address < placements[i].pages * PAGE_BYTES) return &placements[i];
  return NULL;
}

/* The same as user_range() within one placement. */
static void *range_within(const struct placement *place, uint64_t address, uint64_t last, unsigned rights) {
  size_t offset = address - place->address;
  if (place->shared) return (place->rights & rights) == rights ? (void *)(uintptr_t)(place->shared + offset) : NULL;
  size_t first = place->backing + offset / PAGE_BYTES;
  size_t count = place->backing + (last - place->address) / PAGE_BYTES - first + 1;
  return pages_have(first, count, PAGE_PLACED | rights) ? page_address(place->backing) + offset : NULL;
}

/* Placements next to each other for the program may lie apart for us: then the range is used where the program sees it. */
static void *range_across(uint64_t address, uint64_t last, unsigned rights) {
  for (uint64_t at = address, end; at <= last; at = end + 1) {
    const struct placement *place = placement_of(at);
    if (!place) return NULL;
    end = place->address + place->pages * PAGE_BYTES - 1;
    end = end < last ? end : last;
    void *range = range_within(place, at, end, rights);
    if (!range || (at == address && end == last)) return range;
  }
  return (void *)(uintptr_t)address;
}

void *user_range(uint64_t address, size_t size, unsigned rights) {
  if (size == 0) return window_base;
  uint64_t last;
  if (__builtin_add_overflow(address, size - 1, &last)) return NULL;
  uint64_t window = (uintptr_t)window_base;
  if (address < window || last >= window + window_pages * PAGE_BYTES) return range_across(address, last, rights);
  size_t first = page_index(address);
  return pages_have(first, page_index(last) - first + 1, PAGE_PROGRAM | rights) ? (void *)(uintptr_t)address : NULL;
}

int copy_from_user(void *to, uint64_t from, size_t size) {
  const void *bytes = user_range(from, size, MAP_READ);
  if (!bytes) return -EFAULT;
  memcpy(to, bytes, size);
  return 0;
}

int copy_to_user(uint64_t to, const void *from, size_t size) {
  void *bytes = user_range(to, size, MAP_WRITE);
  if (!bytes) return -EFAULT;
  memcpy(bytes, from, size);
  return 0;
}

ssize_t copy_string_from_user(char *to, uint64_t from, size_t capacity) {
  size_t length = 0;
  while (length < capacity) {
    size_t chunk = min_size(PAGE_BYTES - (from + length) % PAGE_BYTES, capacity - length);
    const char *bytes = user_range(from + length, chunk, MAP_READ);
    if (!bytes) return -EFAULT;
    for (size_t i = 0; i < chunk; i++)
      if (!(to[length + i] = bytes[i])) return (ssize_t)(length + i);
    length += chunk;
  }
  return -ENAMETOOLONG;
}

int memory_place(uint64_t address, size_t backing, size_t pages) {
  if (placement_count == PLACEMENTS_MAX) return -ENOMEM;
  size_t end = backing + pages;
  for (size_t first = backing; first < end;) {
    size_t last = first;
    while (last < end && page_state[last] == page_state[first]) last++;
    unsigned rights = page_state[first] & PAGE_RIGHTS;
    if (page_state[first] & PAGE_PLACED && rights) {
      uint64_t va = address + (first - backing) * PAGE_BYTES;
      int error = platform_map_program(va, page_address(first), last - first, rights);
      if (error) return error;
    }
    first = last;
  }
  placements[placement_count++] = (struct placement){.address = address, .pages = pages, .backing = backing};
  return 0;
}

int memory_share(uint64_t address, const uint8_t *bytes, size_t pages, unsigned rights) {
  if (placement_count == PLACEMENTS_MAX) return -ENOMEM;
  int error = platform_map_program(address, (uint8_t *)(uintptr_t)bytes, pages, rights);
  if (error) return error;
  placements[placement_count++] =
      (struct placement){.address = address, .pages = pages, .shared = bytes, .rights = rights};
  return 0;
}

bool memory_shared(uint64_t address) {
  const struct placement *place = placement_of(address);
  return place && place->shared;
}

/* The page behind an address, whichever way the program sees it; SIZE_MAX when it is not the program's. */
size_t memory_page_of(uint64_t address) {
  uint64_t window = (uintptr_t)window_base;
  if (address - window < window_pages * PAGE_BYTES) {
    size_t page = page_index(address);
    return page_state[page] & PAGE_PROGRAM ? page : SIZE_MAX;
  }
  const struct placement *place = placement_of(address);
  if (!place || place->shared) return SIZE_MAX;
  size_t page = place->backing + (address - place->address) / PAGE_BYTES;
  return page_state[page] & PAGE_PLACED ? page : SIZE_MAX;
}

static void describe(struct text *text, uint64_t start, uint64_t end, unsigned rights) {
  text_add(text, "%08lx-%08lx %c%c%cp 00000000 00:00 0\n", (unsigned long)start, (unsigned long)end,
           rights & MAP_READ ? 'r' : '-', rights & MAP_WRITE ? 'w' : '-', rights & MAP_EXEC ? 'x' : '-');
}

/* Lines for the pages in `[first, end)` that have this state bit, as the program sees them from `address` on. */
static void describe_runs(struct text *text, size_t first, size_t end, unsigned kind, uint64_t address) {
  for (size_t run = first; run < end;) {
    size_t stop = run + 1;
    if (!(page_state[run] & kind)) {
      run = stop;
      continue;
    }
    unsigned rights = page_state[run] & PAGE_RIGHTS;
    while (stop < end && page_state[stop] & kind && (page_state[stop] & PAGE_RIGHTS) == rights) stop++;
    describe(text, address + (run - first) * PAGE_BYTES, address + (stop - first) * PAGE_BYTES, rights);
    run = stop;
  }
}

void memory_describe(struct text *text) {
  for (size_t i = 0; i < placement_count; i++) {
    const struct placement *place = &placements[i];
    if (place->shared) describe(text, place->address, place->address + place->pages * PAGE_BYTES, place->rights);
    else describe_runs(text, place->backing, place->backing + place->pages, PAGE_PLACED, place->address);
  }
  describe_runs(text, 0, window_pages, PAGE_PROGRAM, (uintptr_t)window_base);
}

size_t memory_program_pages(void) {
  size_t count = 0;
  for (size_t page = 0; page < window_pages; page++) count += (page_state[page] & (PAGE_PROGRAM | PAGE_PLACED)) != 0;
  return count;
}
