/* Trees and programs that are out of the ordinary: each test boots one of its own. */
#include "test.h"

#include <elf.h>

static bool refused(const char *reason) { return shim.departure == PANICKED && strstr(shim.log, reason); }
static bool booted(void) { return shim.departure == ENTERED || shim.departure == STAYED; }

/* --- hard links --- */

static void add_program(struct archive *archive) {
  uint8_t elf[ELF_BYTES];
  fixture_elf(elf);
  archive_add(archive, "prog", 0100755, elf, sizeof elf);
}

static void tree_with_a_link(struct archive *archive) {
  add_program(archive);
  archive_add_name(archive, 7, 2, "one", 0100644, NULL, 0);
  archive_add_name(archive, 7, 2, "two", 0100644, "shared", 6);
  archive_end(archive);
}

static void links_share_a_file(void) {
  CHECK(booted() && file_holds("/one", "shared") && file_holds("/two", "shared"));
  struct stat *stat = (struct stat *)buffer();
  CHECK(CALL(SYS_stat, path("/one"), P(stat)) == 0 && stat->st_nlink == 2);
  CHECK(CALL(SYS_unlink, path("/one")) == 0 && CALL(SYS_unlink, path("/two")) == 0);
}

static void tree_with_a_name_twice(struct archive *archive) {
  add_program(archive);
  archive_add_name(archive, 7, 2, "twice", 0100644, "first", 5);
  archive_add_name(archive, 7, 2, "twice", 0100644, "again", 5);
  archive_add(archive, "other", 0100644, "other", 5);
  archive_end(archive);
}

static void a_name_twice(void) {
  CHECK(booted() && file_holds("/twice", "again") && file_holds("/other", "other"));
  struct stat *stat = (struct stat *)buffer();
  CHECK(CALL(SYS_stat, path("/twice"), P(stat)) == 0 && stat->st_nlink == 1);
  uint64_t number = stat->st_ino;
  CHECK(CALL(SYS_stat, path("/other"), P(stat)) == 0 && stat->st_ino != number);
  write_file("/other", "changed");
  CHECK(file_holds("/twice", "again"));
}

/* Two names of one file; the first is replaced by another file before the second comes. */
static void tree_with_a_name_taken_over(struct archive *archive) {
  add_program(archive);
  archive_add_name(archive, 7, 2, "one", 0100644, "seven", 5);
  archive_add(archive, "one", 0100644, "other", 5);
  archive_add_name(archive, 7, 2, "two", 0100644, NULL, 0);
  archive_end(archive);
}

static void a_name_taken_over(void) { CHECK(booted() && file_holds("/one", "other") && file_holds("/two", "seven")); }

static void tree_with_a_fifo_that_is_a_file(struct archive *archive) {
  add_program(archive);
  archive_add_name(archive, 7, 2, "fifo", 0010644, NULL, 0);
  archive_add_name(archive, 7, 2, "file", 0100644, "not a pipe", 10);
  archive_end(archive);
}

static void tree_with_a_link_that_is_a_file(struct archive *archive) {
  add_program(archive);
  archive_add_name(archive, 7, 2, "file", 0100644, "bytes", 5);
  archive_add_name(archive, 7, 2, "link", 0120777, "file", 4);
  archive_end(archive);
}

static void types_differ(void) { CHECK(refused("damaged cpio archive") && strstr(shim.log, "type")); }

/* --- what lies where the kernel has something of its own --- */

static void tree_with_a_proc(struct archive *archive) {
  add_program(archive);
  archive_add(archive, "proc", 0040755, NULL, 0);
  archive_add(archive, "proc/version", 0040755, NULL, 0);
  archive_add(archive, "proc/version/inside", 0100644, "x", 1);
  archive_add(archive, "proc/1", 0100644, "a file", 6);
  archive_add(archive, "proc/more", 0100644, "more", 4);
  archive_end(archive);
}

static void proc_is_the_kernels(void) {
  CHECK(booted() && file_holds("/proc/self/comm", "prog\n") && open_file("/proc/more", O_RDONLY) == -ENOENT);
  CHECK(open_file("/proc/version/inside", O_RDONLY) == -ENOTDIR);
  int64_t fd = open_file("/proc/self/fd", O_RDONLY);
  CHECK(fd >= 0 && CALL(SYS_getdents64, (uint64_t)fd, P(buffer()), 4096) > 0);
}

/* --- segments far apart --- */

#define FAR_SEGMENTS_MAX 64
struct far_elf {
  Elf64_Ehdr header;
  Elf64_Phdr segments[FAR_SEGMENTS_MAX];
};

/* A program whose pages lie wherever `segment` says. */
static void add_far_program(struct archive *archive, unsigned count, Elf64_Phdr segment(unsigned index)) {
  static struct far_elf elf;
  elf.header = (Elf64_Ehdr){
    .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
    .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = 0x400000,
    .e_phoff = sizeof elf.header, .e_ehsize = sizeof elf.header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = (uint16_t)count,
  };
  for (unsigned i = 0; i < count; i++) elf.segments[i] = segment(i);
  archive_add(archive, "prog", 0100755, &elf, sizeof elf);
  archive_end(archive);
}

#define FAR_APART (27 * MIB)
static Elf64_Phdr two_segments(unsigned index) {
  return (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x400000 + index * FAR_APART, .p_memsz = 0x2000};
}

static void tree_with_two_segments_far_apart(struct archive *archive) { add_far_program(archive, 2, two_segments); }

static void gaps_are_nobodys(void) {
  CHECK(booted());
  /* There is memory for more than the gap, so it was not taken. */
  CHECK(map(16 * MIB));
  CHECK(CALL(SYS_write, 1, 0x400000, 0x2000) == 0x2000 && CALL(SYS_write, 1, 0x400000 + FAR_APART, 0x2000) == 0x2000);
  for (uint64_t gap = 0x402000; gap < 0x400000 + FAR_APART; gap += 4096) {
    CHECK(CALL(SYS_write, 1, gap, 1) == -EFAULT && CALL(SYS_write, 1, gap - 1, 2) == -EFAULT);
    CHECK(CALL(SYS_mprotect, gap, 4096, PROT_NONE) == -ENOMEM);
  }
  CHECK(CALL(SYS_mprotect, 0x400000, FAR_APART, PROT_READ) == -ENOMEM);
  CHECK(CALL(SYS_mprotect, 0x400000, 0x2000, PROT_READ) == 0 && CALL(SYS_read, 0, 0x400000, 1) == -EFAULT);
  CHECK(CALL(SYS_write, 1, shim.stack, 64) == 64 && CALL(SYS_getrandom, shim.stack, 64, 0) == 64);
}

/* Read-only ones that are copied all the same (they begin off the file's pages) and writable ones, one by one. */
static Elf64_Phdr many_segments(unsigned index) {
  return (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = index % 2 ? PF_R | PF_W : PF_R, .p_vaddr = 0x400000 + index * MIB,
                      .p_memsz = 0x1000};
}

static void tree_with_many_segments(struct archive *archive) { add_far_program(archive, FAR_SEGMENTS_MAX, many_segments); }

static void many_segments_are_placed(void) {
  CHECK(booted());
  for (unsigned i = 0; i < FAR_SEGMENTS_MAX; i++) {
    CHECK(CALL(SYS_write, 1, 0x400000 + i * MIB, 0x1000) == 0x1000);
    CHECK(CALL(SYS_write, 1, 0x401000 + i * MIB, 1) == -EFAULT);
    CHECK(CALL(SYS_getrandom, 0x400000 + i * MIB, 16, 0) == (i % 2 ? 16 : -EFAULT));
  }
}

/* Neighbours in one page, then in the next page, then apart. */
static Elf64_Phdr close_segments(unsigned index) {
  static const uint64_t address[] = {0x400000, 0x400800, 0x402000, 0x405000}, size[] = {0x800, 0x1000, 0x1000, 0x1000};
  return (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = index == 0 ? PF_R : PF_R | PF_W, .p_vaddr = address[index],
                      .p_memsz = size[index]};
}

static void tree_with_close_segments(struct archive *archive) { add_far_program(archive, 4, close_segments); }

static void close_segments_are_one_range(void) {
  CHECK(booted());
  CHECK(CALL(SYS_write, 1, 0x400000, 0x3000) == 0x3000 && CALL(SYS_write, 1, 0x400000, 0x3001) == -EFAULT);
  CHECK(CALL(SYS_write, 1, 0x404fff, 1) == -EFAULT && CALL(SYS_write, 1, 0x405000, 0x1000) == 0x1000);
  CHECK(CALL(SYS_mprotect, 0x403000, 0x1000, PROT_NONE) == -ENOMEM);
}

/* More in all than there is, in pieces that each would fit. */
static Elf64_Phdr large_segments(unsigned index) {
  return (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x400000 + index * 64 * MIB, .p_memsz = 12 * MIB};
}

static void tree_with_large_segments(struct archive *archive) { add_far_program(archive, 3, large_segments); }

static void large_segments_are_refused(void) {
  CHECK(shim.departure == EXITED && shim.reason == CLOISTER_EXIT_OUT_OF_MEMORY && strstr(shim.log, "needs 36864 KiB"));
}

const struct test boot_tests[] = {
  {"two names of one file in the archive are one file", links_share_a_file, tree_with_a_link},
  {"a name of a file with several that comes twice is the file, and nobody else's", a_name_twice, tree_with_a_name_twice},
  {"a file whose first name was taken over is there under its second", a_name_taken_over, tree_with_a_name_taken_over},
  {"an archive in which a FIFO is also a regular file is damaged", types_differ, tree_with_a_fifo_that_is_a_file},
  {"an archive in which a file is also a symlink is damaged", types_differ, tree_with_a_link_that_is_a_file},
  {"what the archive has in /proc is hidden by the kernel's own", proc_is_the_kernels, tree_with_a_proc},
  {"addresses between segments far apart belong to nobody", gaps_are_nobodys, tree_with_two_segments_far_apart},
  {"every segment that a program may have finds its place", many_segments_are_placed, tree_with_many_segments},
  {"segments that share a page or touch are one range", close_segments_are_one_range, tree_with_close_segments},
  {"a program whose segments do not fit together is refused with its size", large_segments_are_refused, tree_with_large_segments},
  {0},
};
