/*
 * A static x86-64 ELF program, position-independent or not (System V gABI chapters 4 and 5). Its bytes are hostile:
 * every offset and size is checked before it is used.
 *
 * Segments that nobody writes are seen where the file lies, if it begins on a page: nothing is copied, and pages that
 * the program never looks at are never touched. The others are copied into window pages, each run of adjacent pages on
 * its own: addresses between two runs are nobody's.
 */
#include "elf.h"
#include <linux/elf.h>

#include "memory.h"
#include "window.h"

#define SEGMENTS_MAX 64u
_Static_assert(SEGMENTS_MAX + 1 <= PLACEMENTS_MAX, "every segment and the stack can be kept track of");
#define PIE_BASE 0x550000000000ul
#define PIE_RANDOM_PAGES 0xfffffful
#define ADDRESS_END 0x600000000000ul /* of what a program may have mapped */

struct elf {
  const char *name;
  const uint8_t *bytes;
  size_t size;
  Elf64_Ehdr header;
  Elf64_Phdr segments[SEGMENTS_MAX];
  uint64_t start, end; /* of the image, page-aligned, before `bias` */
  bool in_place;       /* segments that nobody writes stay in the file */
  uint64_t bias;
  uint64_t alignment;
};

void elf_refuse(const char *name, const char *reason) {
  platform_log("cannot run %s: %s", name, reason);
  platform_exit(126, 0, CLOISTER_EXIT_NOT_EXECUTABLE);
}

static void check_header(struct elf *elf) {
  const Elf64_Ehdr *header = &elf->header;
  if (elf->size < SELFMAG || memcmp(elf->bytes, ELFMAG, SELFMAG)) elf_refuse(elf->name, "it is not an ELF program");
  if (elf->size < sizeof *header) elf_refuse(elf->name, "its ELF header is cut off");
  memcpy(&elf->header, elf->bytes, sizeof elf->header);
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64)
    elf_refuse(elf->name, "it is not for x86-64");
  if (header->e_type != ET_EXEC && header->e_type != ET_DYN) elf_refuse(elf->name, "it is an ELF file, but not a program");
  if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 || header->e_phnum > SEGMENTS_MAX)
    elf_refuse(elf->name, "its program header table has a wrong size");
  size_t table = header->e_phnum * sizeof(Elf64_Phdr);
  if (header->e_phoff > elf->size || table > elf->size - header->e_phoff)
    elf_refuse(elf->name, "its program header table lies outside the file");
  memcpy(elf->segments, elf->bytes + header->e_phoff, table);
}

static void refuse_interpreter(const struct elf *elf, const Elf64_Phdr *segment) {
  char reason[192], path[128] = "?";
  if (segment->p_offset < elf->size) {
    size_t length = min_size(min_size(segment->p_filesz, elf->size - segment->p_offset), sizeof path - 1);
    memcpy(path, elf->bytes + segment->p_offset, length);
    path[length] = 0;
  }
  snprintf(reason, sizeof reason, "it is linked dynamically (needs %s); only static programs run here", path);
  elf_refuse(elf->name, reason);
}

static void check_segment(struct elf *elf, const Elf64_Phdr *segment, uint64_t *previous_end) {
  uint64_t end;
  if (segment->p_filesz > segment->p_memsz) elf_refuse(elf->name, "a segment is larger in the file than in memory");
  if (segment->p_offset > elf->size || segment->p_filesz > elf->size - segment->p_offset)
    elf_refuse(elf->name, "a segment lies outside the file");
  if (__builtin_add_overflow(segment->p_vaddr, segment->p_memsz, &end) || end > ADDRESS_END)
    elf_refuse(elf->name, "a segment lies outside the program's addresses");
  if (segment->p_filesz && (segment->p_vaddr - segment->p_offset) % PAGE_BYTES)
    elf_refuse(elf->name, "a segment's address and offset do not match");
  if (segment->p_vaddr < *previous_end) elf_refuse(elf->name, "its segments overlap or are out of order");
  *previous_end = end;
  if (elf->start == UINT64_MAX) elf->start = segment->p_vaddr & ~(PAGE_BYTES - 1);
  elf->end = PAGES_OF(end) * PAGE_BYTES;
  if (segment->p_align > elf->alignment && !(segment->p_align & (segment->p_align - 1))) elf->alignment = segment->p_align;
}

static void check_segments(struct elf *elf) {
  uint64_t previous_end = 0;
  elf->start = UINT64_MAX;
  elf->alignment = PAGE_BYTES;
  for (unsigned i = 0; i < elf->header.e_phnum; i++) {
    const Elf64_Phdr *segment = &elf->segments[i];
    if (segment->p_type == PT_INTERP) refuse_interpreter(elf, segment);
    if (segment->p_type == PT_LOAD && segment->p_memsz) check_segment(elf, segment, &previous_end);
  }
  if (elf->start == UINT64_MAX) elf_refuse(elf->name, "it has nothing to load");
}

static bool loaded(const Elf64_Phdr *segment) { return segment->p_type == PT_LOAD && segment->p_memsz; }
static bool shareable(const Elf64_Phdr *segment) {
  return segment->p_flags & (PF_R | PF_X) && !(segment->p_flags & PF_W) && segment->p_filesz == segment->p_memsz;
}
static uint64_t page_start(uint64_t address) { return address & ~(PAGE_BYTES - 1); }
static uint64_t page_end(const Elf64_Phdr *segment) { return PAGES_OF(segment->p_vaddr + segment->p_memsz) * PAGE_BYTES; }
static bool copied(const struct elf *elf, const Elf64_Phdr *segment) {
  return loaded(segment) && !(elf->in_place && shareable(segment));
}

/* Nothing stays in the file when two segments share a page: it could have the rights of one only. */
static void choose_copies(struct elf *elf) {
  uint64_t previous_end = 0;
  elf->in_place = (uintptr_t)elf->bytes % PAGE_BYTES == 0;
  for (unsigned i = 0; i < elf->header.e_phnum; i++) {
    const Elf64_Phdr *segment = &elf->segments[i];
    if (!loaded(segment)) continue;
    if (page_start(segment->p_vaddr) < previous_end) elf->in_place = false;
    previous_end = page_end(segment);
  }
}

static void choose_bias(struct elf *elf) {
  if (elf->header.e_type == ET_EXEC) return;
  uint64_t random;
  platform_random(&random, sizeof random);
  uint64_t base = PIE_BASE + (random & PIE_RANDOM_PAGES) * PAGE_BYTES;
  elf->alignment = elf->alignment > 1ul << 30 ? PAGE_BYTES : elf->alignment;
  base &= ~(elf->alignment - 1);
  if (elf->end > ADDRESS_END - base) elf_refuse(elf->name, "a segment lies outside the program's addresses");
  elf->bias = base - (elf->start & ~(elf->alignment - 1));
}

static unsigned rights_of(const Elf64_Phdr *segment) {
  return (segment->p_flags & PF_R ? MAP_READ : 0) | (segment->p_flags & PF_W ? MAP_WRITE : 0) |
         (segment->p_flags & PF_X ? MAP_EXEC : 0);
}

/* Adjacent pages with segments to copy, and where in the table these begin and end. */
struct run {
  unsigned segment, segments_end;
  uint64_t start, end;
};

/* The run behind this one; false when there is none. */
static bool next_run(const struct elf *elf, struct run *run) {
  unsigned i = run->segments_end;
  while (i < elf->header.e_phnum && !copied(elf, &elf->segments[i])) i++;
  if (i == elf->header.e_phnum) return false;
  *run = (struct run){.segment = i, .start = page_start(elf->segments[i].p_vaddr), .end = page_end(&elf->segments[i])};
  for (; i < elf->header.e_phnum; i++) {
    const Elf64_Phdr *segment = &elf->segments[i];
    if (!copied(elf, segment)) continue;
    if (page_start(segment->p_vaddr) > run->end) break;
    run->end = page_end(segment);
  }
  run->segments_end = i;
  return true;
}

/* Marks the pages of a segment with its rights. A page that two segments share has the rights of both. */
static void mark_pages(const struct run *run, size_t backing, const Elf64_Phdr *segment) {
  unsigned rights = rights_of(segment);
  if (rights & MAP_WRITE) rights |= PAGE_WRITABLE;
  size_t first = (segment->p_vaddr - run->start) / PAGE_BYTES;
  size_t end = PAGES_OF(segment->p_vaddr + segment->p_memsz - run->start);
  for (size_t page = backing + first; page < backing + end; page++) page_state[page] |= (uint8_t)(PAGE_PLACED | rights);
}

static void load_segments(const struct elf *elf, const struct run *run, size_t backing) {
  for (unsigned i = run->segment; i < run->segments_end; i++) {
    const Elf64_Phdr *segment = &elf->segments[i];
    if (!copied(elf, segment)) continue;
    memcpy(page_address(backing) + (segment->p_vaddr - run->start), elf->bytes + segment->p_offset, segment->p_filesz);
    mark_pages(run, backing, segment);
  }
}

static void check_placed(const struct elf *elf, int error) {
  if (error == -EINVAL) elf_refuse(elf->name, "a segment lies outside the program's addresses");
  if (error) elf_refuse(elf->name, "it has too many segments that lie far apart"); /* for their page tables */
}

static void share_segments(const struct elf *elf) {
  for (unsigned i = 0; i < elf->header.e_phnum; i++) {
    const Elf64_Phdr *segment = &elf->segments[i];
    if (!loaded(segment) || !shareable(segment)) continue;
    uint64_t start = page_start(segment->p_vaddr);
    size_t pages = PAGES_OF(segment->p_vaddr + segment->p_memsz - start);
    check_placed(elf, memory_share(start + elf->bias, elf->bytes + page_start(segment->p_offset), pages, rights_of(segment)));
  }
}

static void copy_segments(const struct elf *elf) {
  size_t needed = 0, free = pages_free_count();
  for (struct run run = {0}; next_run(elf, &run);) needed += (run.end - run.start) / PAGE_BYTES;
  for (struct run run = {0}; next_run(elf, &run);) {
    size_t pages = (run.end - run.start) / PAGE_BYTES, backing = pages_take_high(pages, 0);
    if (backing == SIZE_MAX) {
      platform_log("cannot run %s: it needs %lu KiB of memory, %lu KiB are free", elf->name, needed * 4, free * 4);
      platform_exit(137, 0, CLOISTER_EXIT_OUT_OF_MEMORY);
    }
    load_segments(elf, &run, backing);
    check_placed(elf, memory_place(run.start + elf->bias, backing, pages));
  }
}

/* Where the program finds its own header table: PT_PHDR, or the segment that contains it. */
static uint64_t header_table_address(const struct elf *elf) {
  uint64_t offset = elf->header.e_phoff;
  for (unsigned i = 0; i < elf->header.e_phnum; i++)
    if (elf->segments[i].p_type == PT_PHDR) return elf->segments[i].p_vaddr + elf->bias;
  for (unsigned i = 0; i < elf->header.e_phnum; i++) {
    const Elf64_Phdr *segment = &elf->segments[i];
    if (segment->p_type == PT_LOAD && offset >= segment->p_offset && offset - segment->p_offset < segment->p_filesz)
      return segment->p_vaddr + (offset - segment->p_offset) + elf->bias;
  }
  return 0;
}

void elf_load(const char *name, const uint8_t *bytes, size_t size, struct image *image) {
  static struct elf elf;
  elf = (struct elf){.name = name, .bytes = bytes, .size = size};
  check_header(&elf);
  check_segments(&elf);
  choose_bias(&elf);
  choose_copies(&elf);
  if (elf.in_place) share_segments(&elf);
  copy_segments(&elf);

  image->entry = elf.header.e_entry + elf.bias;
  image->program_headers = header_table_address(&elf);
  image->program_header_count = elf.header.e_phnum;
}
