/*
 * The PVH start info (Xen public/arch-x86/hvm/start_info.h) and the bookkeeping of free RAM until the personality
 * takes it. Runs on the boot page tables: the first 4 GiB of physical memory are readable.
 */
#include "boot.h"

#include "layout.h"
#include "platform.h"
#include "string.h"

#define START_INFO_MAGIC 0x336ec578

struct start_info {
  uint32_t magic, version, flags, module_count;
  uint64_t modules, command_line, rsdp;
  uint64_t memory_map; /* from version 1 on */
  uint32_t memory_map_count, reserved;
};

struct module {
  uint64_t address, size, command_line, reserved;
};

struct memory_map_entry {
  uint64_t address, size;
  uint32_t type, reserved;
};
#define MEMORY_RAM 1

#define COMMAND_LINE_MAX 4096

struct boot_facts boot_facts;
struct range ram_ranges[RAM_RANGES_MAX];
unsigned ram_range_count;

static char command_line[COMMAND_LINE_MAX];
static const char *program_line;
static struct range reserved[RESERVED_MAX]; /* sorted by start */
static unsigned reserved_count;

extern uint8_t image_start[], image_end[];

static uint64_t page_down(uint64_t address) { return address & ~(uint64_t)(PAGE_SIZE - 1); }
static uint64_t page_up(uint64_t address) { return page_down(address + PAGE_SIZE - 1); }

/* A boot structure, which must lie where the boot page tables reach. */
static void *at_boot(uint64_t pa, uint64_t size) {
  if (!pa || pa >= SCAFFOLD_SIZE || size > SCAFFOLD_SIZE - pa) platform_panic("boot structure at %lx", pa);
  return VA(pa);
}

static void add_reserved(uint64_t start, uint64_t end) {
  if (reserved_count == RESERVED_MAX) platform_panic("too many boot structures");
  unsigned at = reserved_count++;
  for (; at && reserved[at - 1].start > start; at--) reserved[at] = reserved[at - 1];
  reserved[at] = (struct range){page_down(start), page_up(end)};
}

static void add_ram(uint64_t start, uint64_t end) {
  start = page_up(start < KERNEL_LOAD ? KERNEL_LOAD : start);
  end = page_down(end);
  if (start >= end) return;
  boot_facts.ram_bytes += end - start;
  if (ram_range_count < RAM_RANGES_MAX) ram_ranges[ram_range_count++] = (struct range){start, end};
}

static void read_command_line(uint64_t pa) {
  const char *text = at_boot(pa, 1);
  size_t length = strnlen(text, COMMAND_LINE_MAX - 1);
  memcpy(command_line, text, length);
  command_line[length] = 0;
  const char *dashes = strncmp(command_line, "-- ", 3) == 0 ? command_line - 1 : strstr(command_line, " -- ");
  if (dashes) program_line = dashes + 4;
}

void boot_info_init(uint32_t start_info) {
  const struct start_info *info = at_boot(start_info, sizeof *info);
  if (info->magic != START_INFO_MAGIC || info->version < 1) platform_panic("started without a PVH memory map");
  boot_facts.command_line = command_line;
  if (info->command_line) read_command_line(info->command_line);

  add_reserved(PA(image_start), PA(image_end));
  add_reserved(start_info, start_info + sizeof *info);
  if (info->module_count) {
    const struct module *root = at_boot(info->modules, sizeof *root);
    boot_facts.root_cpio = VA(root->address);
    boot_facts.root_cpio_size = root->size;
    add_reserved(root->address, root->address + root->size);
    add_reserved(info->modules, info->modules + info->module_count * sizeof *root);
  }
  if (info->command_line) add_reserved(info->command_line, info->command_line + strlen(command_line) + 1);

  const struct memory_map_entry *map = at_boot(info->memory_map, info->memory_map_count * sizeof *map);
  add_reserved(info->memory_map, info->memory_map + info->memory_map_count * sizeof *map);
  for (unsigned i = 0; i < info->memory_map_count; i++)
    if (map[i].type == MEMORY_RAM) add_ram(map[i].address, map[i].address + map[i].size);
}

unsigned boot_free_ranges(struct range free[FREE_RANGES_MAX]) {
  unsigned count = 0;
  for (unsigned i = 0; i < ram_range_count; i++) {
    uint64_t at = ram_ranges[i].start;
    for (unsigned j = 0; j <= reserved_count && at < ram_ranges[i].end; j++) {
      struct range next = j < reserved_count ? reserved[j] : (struct range){UINT64_MAX, UINT64_MAX};
      if (next.end <= at) continue;
      uint64_t end = next.start < ram_ranges[i].end ? next.start : ram_ranges[i].end;
      if (end > at) free[count++] = (struct range){at, end};
      at = next.end;
    }
  }
  return count;
}

struct range boot_reserve(uint64_t size, uint64_t limit) {
  struct range free[FREE_RANGES_MAX];
  unsigned count = boot_free_ranges(free);
  size = page_up(size);
  for (unsigned i = 0; i < count; i++) {
    uint64_t end = free[i].end < limit ? free[i].end : limit;
    if (end < free[i].start || end - free[i].start < size) continue;
    add_reserved(free[i].start, free[i].start + size);
    return (struct range){free[i].start, free[i].start + size};
  }
  platform_panic("no room for %lu bytes of kernel memory", size);
}

const char *boot_program_line(void) { return program_line; }

const char *boot_option_value(const char *key, const char *after) {
  size_t length = strlen(key);
  for (const char *at = after ? after : command_line; *at; at++) {
    if (at != command_line && at[-1] != ' ') continue;
    if (strncmp(at, key, length) == 0 && at[length] == '=') return at + length + 1;
  }
  return NULL;
}

bool boot_option(const char *word) {
  size_t length = strlen(word);
  const char *end = program_line ? program_line - 3 : command_line + strlen(command_line);
  for (const char *at = command_line; at < end; at++) {
    if (at != command_line && at[-1] != ' ') continue;
    if (strncmp(at, word, length) == 0 && (at[length] == ' ' || at[length] == 0)) return true;
  }
  return false;
}
