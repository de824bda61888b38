/* Loading the program's image. */
#ifndef PERSONALITY_ELF_H
#define PERSONALITY_ELF_H

#include "base.h"

struct image {
  uint64_t entry;
  uint64_t program_headers, program_header_count;
};

/* Loads and maps a static ELF program, or ends the VM with status 126 and one line that says why. */
void elf_load(const char *name, const uint8_t *bytes, size_t size, struct image *image);
/* One line on the log, and the VM ends with status 126. */
void elf_refuse(const char *name, const char *reason) __attribute__((noreturn));

#endif
