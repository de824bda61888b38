/* A small file tree with a minimal ELF program in it, and a test's view of the program's memory. */
#ifndef HOST_FIXTURE_H
#define HOST_FIXTURE_H

#include "abi.h"
#include "shim.h"

/* An archive being written. */
struct archive {
  _Alignas(4096) uint8_t bytes[1 << 16];
  size_t length;
};
/* Contents of a page or more begin on a page, as Cloister has it: the name is padded. */
void archive_add(struct archive *archive, const char *name, uint32_t mode, const void *bytes, size_t count);
/* One of the `names` of the file with this inode number. */
void archive_add_name(struct archive *archive, uint32_t inode, uint32_t names, const char *name, uint32_t mode,
                      const void *bytes, size_t count);
void archive_end(struct archive *archive);

#define ELF_BYTES 0x3000u
#define ELF_SEGMENTS 3
/* A static program at 4 MiB, bytes beyond the headers zero: a page to execute, one to read, one to write and one of bss. */
void fixture_elf(uint8_t elf[ELF_BYTES]);
/* /prog, /etc/motd ("welcome\n"), /etc/link -> motd, /empty (a directory). */
void fixture_tree(struct archive *archive);
typedef void tree_writer(struct archive *archive);
/* Boots a tree with a /prog in it; every test starts here. */
enum departure fixture_boot(size_t memory, tree_writer *tree);

#endif
