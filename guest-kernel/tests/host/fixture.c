#include "fixture.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

static void append(struct archive *archive, const void *bytes, size_t count) {
  memcpy(archive->bytes + archive->length, bytes, count);
  archive->length = (archive->length + count + 3) & ~3ul;
}

void archive_add_name(struct archive *archive, uint32_t inode, uint32_t names, const char *name, uint32_t mode,
                      const void *bytes, size_t count) {
  char header[110 + 4096] = {0};
  size_t name_size = strlen(name) + 1, at = archive->length + 110;
  if (count >= 4096) name_size += (4096 - (at + name_size) % 4096) % 4096;
  snprintf(header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s", inode, mode, 0u, 0u, names,
           1600000000u, count, 0u, 0u, 0u, 0u, name_size, 0u, name);
  append(archive, header, 110 + name_size);
  if (count) append(archive, bytes, count);
}

void archive_add(struct archive *archive, const char *name, uint32_t mode, const void *bytes, size_t count) {
  static uint32_t inode = 100; /* those below are for tests that choose */
  archive_add_name(archive, ++inode, 1, name, mode, bytes, count);
}

void archive_end(struct archive *archive) { archive_add(archive, "TRAILER!!!", 0, NULL, 0); }

void fixture_elf(uint8_t elf[ELF_BYTES]) {
  Elf64_Ehdr header = {
    .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
    .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = 0x400100,
    .e_phoff = sizeof header, .e_ehsize = sizeof header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = ELF_SEGMENTS,
  };
  const Elf64_Phdr segments[ELF_SEGMENTS] = {
    {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_filesz = 0x1000, .p_memsz = 0x1000, .p_align = 0x1000},
    {.p_type = PT_LOAD, .p_flags = PF_R, .p_offset = 0x1000, .p_vaddr = 0x401000, .p_filesz = 0xff0, .p_memsz = 0xff0},
    {.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x2000, .p_vaddr = 0x402000, .p_filesz = 0x1000, .p_memsz = 0x2000},
  };
  memset(elf, 0, ELF_BYTES);
  memcpy(elf, &header, sizeof header);
  memcpy(elf + sizeof header, segments, sizeof segments);
}

void fixture_tree(struct archive *archive) {
  uint8_t elf[ELF_BYTES];
  fixture_elf(elf);
  archive_add(archive, "prog", 0100755, elf, sizeof elf);
  archive_add(archive, "etc", 0040755, NULL, 0);
  archive_add(archive, "etc/motd", 0100644, "welcome\n", 8);
  archive_add(archive, "etc/link", 0120777, "motd", 4);
  archive_add(archive, "empty", 0040700, NULL, 0);
  archive_end(archive);
}

enum departure fixture_boot(size_t memory, tree_writer *tree) {
  static struct archive archive;
  static const char *argv[] = {"prog", "argument"}, *envp[] = {"PATH=/bin", "HOSTNAME=box"};
  struct program_args args = {
    .path = "/prog", .cwd = "/", .argc = 2, .argv = argv, .envc = 2, .envp = envp, .flags = CLOISTER_ARGS_STDIN,
  };
  archive.length = 0;
  tree(&archive);
  return shim_boot(archive.bytes, archive.length, args, memory);
}
