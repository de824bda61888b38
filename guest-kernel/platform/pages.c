/*
 * Page tables (SDM vol 3 section 4.5). Two roots share the kernel's half: the kernel root also has the scaffold,
 * through which tables can be written; the program root has the program instead, and no way to any table.
 */
#include "pages.h"

#include <asm/errno.h>

#include "boot.h"
#include "layout.h"
#include "memory.h"
#include "platform.h"
#include "privileged.h"
#include "string.h"

#define PRESENT 1ull
#define WRITE 2ull
#define USER 4ull
#define UNCACHED 0x18ull /* PCD, PWT */
#define LARGE 0x80ull
#define NO_EXECUTE (1ull << 63)
#define ADDRESS 0xffffffffff000ull
#define LARGE_SIZE 0x200000ull

#define TEXT (PRESENT | USER)
#define CONSTANTS (PRESENT | USER | NO_EXECUTE)
#define DATA (PRESENT | USER | WRITE | NO_EXECUTE)
#define PRIVILEGED_DATA (PRESENT | WRITE | NO_EXECUTE)
#define FREE_RAM (PRESENT | USER | WRITE) /* executable: position-independent programs are loaded in the window */
#define DEVICE (DATA | UNCACHED)

extern uint8_t image_start[], privileged_end[], text_end[], rodata_end[], image_end[];
extern uint64_t boot_pdpt[];

static struct range pool;
static uint64_t pool_next;
static uint64_t kernel_root, program_root; /* physical */

static uint64_t *table_at(uint64_t pa) { return (uint64_t *)(SCAFFOLD_BASE + pa); }

/* An empty table; 0 when the pool is used up. */
static uint64_t new_table(void) {
  if (pool_next == pool.end) return 0;
  uint64_t table = pool_next;
  pool_next += PAGE_SIZE;
  memset(table_at(table), 0, PAGE_SIZE);
  return table;
}

/* The entry that maps `va` at `level` (1: 4 KiB, 2: 2 MiB), building the tables on the way; NULL: out of tables. */
static uint64_t *entry_for(uint64_t root, uint64_t va, int level) {
  uint64_t *table = table_at(root);
  for (int at = 4; at > level; at--) {
    uint64_t *entry = &table[va >> (12 + 9 * (at - 1)) & 511];
    if (!*entry) {
      uint64_t next = new_table();
      if (!next) return NULL;
      *entry = next | PRESENT | WRITE | USER;
    }
    table = table_at(*entry & ADDRESS);
  }
  return &table[va >> (12 + 9 * (level - 1)) & 511];
}

static bool map(uint64_t root, uint64_t va, uint64_t pa, uint64_t size, uint64_t bits) {
  while (size) {
    bool large = !((va | pa) & (LARGE_SIZE - 1)) && size >= LARGE_SIZE;
    uint64_t *entry = entry_for(root, va, large ? 2 : 1);
    if (!entry) return false;
    uint64_t step = large ? LARGE_SIZE : PAGE_SIZE;
    *entry = pa | bits | (large ? LARGE : 0);
    va += step, pa += step, size -= step;
  }
  return true;
}

static void map_kernel(uint64_t start, uint64_t end, uint64_t bits) {
  if (!map(kernel_root, start + KERNEL_BASE, start, end - start, bits)) platform_panic("out of page tables");
}

/* RAM except the holes, which have rights of their own. */
static void map_ram(uint64_t start, uint64_t end, const struct range *holes, unsigned count) {
  if (!count) {
    if (start < end) map_kernel(start, end, FREE_RAM);
    return;
  }
  if (holes->end <= start || holes->start >= end) return map_ram(start, end, holes + 1, count - 1);
  map_ram(start, holes->start > start ? holes->start : start, holes + 1, count - 1);
  if (holes->end < end) map_ram(holes->end, end, holes + 1, count - 1);
}

void pages_init(void) {
  /*
   * Tables for: all RAM once more as 4 KiB pages of a program, its directories for many segments far apart; the
   * directories of the direct map and the window; partial 2 MiB at the edges of ranges; device windows.
   */
  uint64_t top = 4;
  for (unsigned i = 0; i < ram_range_count; i++)
    if (ram_ranges[i].end >> 30 >= top) top = (ram_ranges[i].end >> 30) + 1;
  uint64_t count = boot_facts.ram_bytes / LARGE_SIZE + 2 * top + 2 * ram_range_count + 48;
  pool = boot_reserve(count * PAGE_SIZE, SCAFFOLD_SIZE);
  pool_next = pool.start;
  kernel_root = new_table();
  program_root = new_table();

  const struct range holes[] = {{PA(image_start), PA(image_end)}, pool};
  for (unsigned i = 0; i < ram_range_count; i++) map_ram(ram_ranges[i].start, ram_ranges[i].end, holes, 2);
  map_kernel(PA(image_start), PA(privileged_end), PRIVILEGED_DATA);
  map_kernel(PA(privileged_end), PA(text_end), TEXT);
  map_kernel(PA(text_end), PA(rodata_end), CONSTANTS);
  map_kernel(PA(rodata_end), PA(image_end), DATA);
  map_kernel(pool.start, pool.end, PRIVILEGED_DATA);
  map_kernel(LAPIC_PA, LAPIC_PA + PAGE_SIZE, DEVICE);
  map_kernel(IOAPIC_PA, IOAPIC_PA + PAGE_SIZE, DEVICE);

  table_at(program_root)[KERNEL_BASE >> 39] = table_at(kernel_root)[KERNEL_BASE >> 39];
  table_at(kernel_root)[SCAFFOLD_BASE >> 39] = PA(boot_pdpt) | PRESENT | WRITE | USER;
}

void pages_start(void) { __asm__ volatile("mov %0, %%cr3" : : "r"(kernel_root) : "memory"); }

volatile void *pages_map_device(uint64_t pa, uint64_t size) {
  uint64_t start = pa & ~(uint64_t)(PAGE_SIZE - 1), end = (pa + size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
  map_kernel(start, end, DEVICE);
  return VA(pa);
}

void pages_map_window(uint64_t va, uint64_t pa, uint64_t size) {
  if (!map(kernel_root, va, pa, size, FREE_RAM)) platform_panic("out of page tables");
  table_at(program_root)[WINDOW_BASE >> 39] = table_at(kernel_root)[WINDOW_BASE >> 39];
}

int platform_map_program(uint64_t va, uint8_t *backing, size_t pages, unsigned prot) {
  if ((va | (uint64_t)backing) & (PAGE_SIZE - 1) || va < PROGRAM_START || va >= PROGRAM_END) return -EINVAL;
  if (pages > (PROGRAM_END - va) / PAGE_SIZE) return -EINVAL;
  uint64_t bits = PRESENT | USER | (prot & MAP_WRITE ? WRITE : 0) | (prot & MAP_EXEC ? 0 : NO_EXECUTE);
  for (uint64_t done = 0, size = pages * PAGE_SIZE, step; done < size; done += step) {
    uint64_t pa = memory_physical(backing + done, size - done, &step);
    if (!pa) return -EINVAL;
    if (!map(program_root, va + done, pa, step, bits)) return -ENOMEM;
  }
  return 0;
}

void platform_activate_program(void) { privileged(PRIVILEGED_SEAL, program_root, 0); }
