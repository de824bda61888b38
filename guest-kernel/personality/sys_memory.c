/*
 * brk, mmap and relatives. Memory is given from the window at once and for good: nothing is paged in later. What the
 * window cannot do (withdraw rights, share a file) is in docs/unikernel-abi.md.
 */
#include <asm/mman.h>
#include <linux/mman.h>

#include "fd.h"
#include "memory.h"
#include "window.h"
#include "syscall.h"

static uint64_t brk_start, brk_end;

/* PROT_* and MAP_READ.. have the same three bits. */
_Static_assert(PROT_READ == MAP_READ && PROT_WRITE == MAP_WRITE && PROT_EXEC == MAP_EXEC, "one set of rights");

int64_t sys_brk(const uint64_t arg[6]) {
  if (!brk_start) brk_start = brk_end = (uintptr_t)page_address(pages_kernel_limit);
  uint64_t wanted = arg[0], window_end = (uintptr_t)window_base + window_pages * PAGE_BYTES;
  if (wanted < brk_start || wanted > window_end) return (int64_t)brk_end;

  size_t had = page_index(brk_end + PAGE_BYTES - 1), wants = page_index(wanted + PAGE_BYTES - 1);
  if (wants > had && !pages_take_at(had, wants - had, PAGE_PROGRAM | MAP_READ | MAP_WRITE)) return (int64_t)brk_end;
  for (size_t page = wants; page < had; page++)
    if (page_state[page] & PAGE_PROGRAM) pages_release(page, 1);
  /* Linux gives zeroes when the break comes back over a page it had kept. */
  if (wanted < brk_end && wanted % PAGE_BYTES) {
    uint8_t *tail = user_range(wanted, PAGE_BYTES - wanted % PAGE_BYTES, MAP_WRITE);
    if (tail) memset(tail, 0, PAGE_BYTES - wanted % PAGE_BYTES);
  }
  brk_end = wanted;
  return (int64_t)brk_end;
}

/* Frees what the program has of these window pages. */
static void release_program_pages(size_t first, size_t count) {
  for (size_t page = first; page < first + count; page++)
    if (page_state[page] & PAGE_PROGRAM) pages_release(page, 1);
}

/* Whether all of `[address, address + length)` is window; then `first` is its page. */
static bool in_window(uint64_t address, uint64_t length, size_t *first) {
  uint64_t offset = address - (uintptr_t)window_base, size = window_pages * PAGE_BYTES;
  if (offset > size || length > size - offset) return false;
  *first = offset / PAGE_BYTES;
  return true;
}

/* Pages at an address the program insists on: free ones, or its own unless `replace` is false. */
static int64_t take_fixed(uint64_t address, uint64_t length, unsigned state, bool replace) {
  size_t first;
  if (address % PAGE_BYTES) return -EINVAL;
  if (!in_window(address, length, &first)) return -ENOMEM;
  size_t count = length / PAGE_BYTES;
  for (size_t page = first; page < first + count; page++) {
    if (!(page_state[page] & PAGE_USED)) continue;
    if (!replace) return -EEXIST;
    if (!(page_state[page] & PAGE_PROGRAM)) return -ENOMEM;
  }
  release_program_pages(first, count);
  return pages_take_at(first, count, state) ? (int64_t)address : -ENOMEM;
}

int64_t sys_mmap(const uint64_t arg[6]) {
  uint64_t address = arg[0], length = arg[1], offset = arg[5];
  unsigned rights = (unsigned)arg[2] & (PROT_READ | PROT_WRITE | PROT_EXEC), flags = (unsigned)arg[3];
  unsigned type = flags & MAP_TYPE;
  if (length == 0 || offset % PAGE_BYTES) return -EINVAL;
  if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE) return -EINVAL;
  if (length > window_pages * PAGE_BYTES) return -ENOMEM;
  length = PAGES_OF(length) * PAGE_BYTES;

  struct file *file = NULL;
  if (!(flags & MAP_ANONYMOUS)) {
    file = fd_file((int)arg[4]);
    if (!file) return -EBADF;
    int error = file_check_mmap(file, type != MAP_PRIVATE && rights & PROT_WRITE);
    if (error) return error;
  }

  unsigned state = PAGE_PROGRAM | rights;
  int64_t at;
  if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
    at = take_fixed(address, length, state, !(flags & MAP_FIXED_NOREPLACE));
  } else {
    size_t first = pages_take_high(length / PAGE_BYTES, state);
    at = first == SIZE_MAX ? -ENOMEM : (int64_t)(uintptr_t)page_address(first);
  }
  if (at < 0 && at > -4096) return at;
  if (file) file_copy_out(file, (void *)(uintptr_t)at, length, offset);
  return at;
}

int64_t sys_munmap(const uint64_t arg[6]) {
  uint64_t address = arg[0], length = arg[1];
  size_t first;
  if (address % PAGE_BYTES || length == 0 || length > UINT64_MAX - PAGE_BYTES) return -EINVAL;
  length = PAGES_OF(length) * PAGE_BYTES;
  if (in_window(address, length, &first)) release_program_pages(first, length / PAGE_BYTES);
  return 0;
}

/* Every page of the range must be the program's; SIZE_MAX pages are refused by the caller's overflow check. */
static bool all_programs(uint64_t address, uint64_t length) {
  for (uint64_t offset = 0; offset < length; offset += PAGE_BYTES)
    if (memory_page_of(address + offset) == SIZE_MAX && !memory_shared(address + offset)) return false;
  return true;
}

int64_t sys_mprotect(const uint64_t arg[6]) {
  uint64_t address = arg[0], length = arg[1];
  unsigned rights = (unsigned)arg[2];
  if (address % PAGE_BYTES || rights & ~(unsigned)(PROT_READ | PROT_WRITE | PROT_EXEC)) return -EINVAL;
  if (length == 0) return 0;
  if (length > UINT64_MAX - PAGE_BYTES || address + length < address) return -ENOMEM;
  length = PAGES_OF(length) * PAGE_BYTES;
  if (!all_programs(address, length)) return -ENOMEM;
  for (uint64_t offset = 0; offset < length; offset += PAGE_BYTES) {
    if (memory_shared(address + offset)) { /* stays as the image has it */
      if (rights & PROT_WRITE) return -EACCES;
      continue;
    }
    uint8_t *state = &page_state[memory_page_of(address + offset)];
    if (rights & PROT_WRITE && *state & PAGE_PLACED && !(*state & PAGE_WRITABLE)) return -EACCES;
    *state = (uint8_t)((*state & ~PAGE_RIGHTS) | rights);
  }
  return 0;
}

int64_t sys_mremap(const uint64_t arg[6]) {
  uint64_t address = arg[0], old_length = arg[1], new_length = arg[2], flags = arg[3];
  size_t first, window_bytes = window_pages * PAGE_BYTES;
  if (address % PAGE_BYTES || new_length == 0 || old_length == 0) return -EINVAL;
  if (flags & ~(uint64_t)MREMAP_MAYMOVE) return -EINVAL;
  if (old_length > window_bytes || !in_window(address, old_length, &first)) return -EFAULT;
  if (new_length > window_bytes) return -ENOMEM;

  size_t had = PAGES_OF(old_length), wants = PAGES_OF(new_length);
  if (!all_programs(address, had * PAGE_BYTES)) return -EFAULT;
  if (wants <= had) {
    release_program_pages(first + wants, had - wants);
    return (int64_t)address;
  }
  unsigned state = page_state[first] & (PAGE_PROGRAM | PAGE_RIGHTS);
  if (pages_take_at(first + had, wants - had, state)) return (int64_t)address;
  if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
  size_t moved = pages_take_high(wants, state);
  if (moved == SIZE_MAX) return -ENOMEM;
  memcpy(page_address(moved), page_address(first), had * PAGE_BYTES);
  release_program_pages(first, had);
  return (int64_t)(uintptr_t)page_address(moved);
}

int64_t sys_madvise(const uint64_t arg[6]) {
  uint64_t address = arg[0], length = arg[1];
  int advice = (int)arg[2];
  if (address % PAGE_BYTES || length > UINT64_MAX - PAGE_BYTES || address + length < address) return -EINVAL;
  length = PAGES_OF(length) * PAGE_BYTES;
  if (advice == MADV_REMOVE || advice == MADV_HWPOISON || advice < 0) return -EINVAL;
  if (advice != MADV_DONTNEED) return 0;
  if (length > window_pages * PAGE_BYTES || !all_programs(address, length)) return -ENOMEM;
  for (uint64_t offset = 0; offset < length; offset += PAGE_BYTES) {
    size_t page = memory_page_of(address + offset);
    if (page != SIZE_MAX && page_state[page] & PAGE_PROGRAM) memset(page_address(page), 0, PAGE_BYTES);
  }
  return 0;
}

int64_t sys_mincore(const uint64_t arg[6]) {
  uint64_t address = arg[0], length = arg[1];
  if (address % PAGE_BYTES) return -EINVAL;
  if (length > window_pages * PAGE_BYTES || !all_programs(address, length)) return -ENOMEM;
  uint8_t *resident = user_range(arg[2], PAGES_OF(length), MAP_WRITE);
  if (!resident) return -EFAULT;
  memset(resident, 1, PAGES_OF(length));
  return 0;
}

/* msync, mlock, munlock: memory neither leaves nor belongs to a file, so only the range is judged. */
int64_t sys_msync(const uint64_t arg[6]) {
  uint64_t address = arg[0], length = arg[1];
  if (address % PAGE_BYTES) return -EINVAL;
  return length > window_pages * PAGE_BYTES || !all_programs(address, length) ? -ENOMEM : 0;
}

int64_t sys_mlock(const uint64_t arg[6]) {
  uint64_t start = arg[0] & ~(PAGE_BYTES - 1), length = arg[1] + arg[0] % PAGE_BYTES;
  if (length < arg[1]) return -EINVAL;
  return length > window_pages * PAGE_BYTES || !all_programs(start, length) ? -ENOMEM : 0;
}

int64_t sys_mlockall(const uint64_t arg[6]) {
  (void)arg;
  return 0;
}
