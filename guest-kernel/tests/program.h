/* A program inside a test guest: its code is copied to low memory, where programs live, and run there at CPL3. */
#ifndef CLOISTER_TEST_PROGRAM_H
#define CLOISTER_TEST_PROGRAM_H

#include "guest.h"

#define PROGRAM_CODE 0x400000ul
#define PROGRAM_STACK 0x500000ul

/* The instructions between two labels of a file-level asm statement. */
static inline void __attribute__((noreturn)) run_program(const char *code, const char *end) {
  struct memory_window window = platform_memory();
  memcpy(window.base, code, (size_t)(end - code));
  if (platform_map_program(PROGRAM_CODE, window.base, 1, MAP_READ | MAP_EXEC) ||
      platform_map_program(PROGRAM_STACK, window.base + 4096, 1, MAP_READ | MAP_WRITE))
    platform_panic("cannot map the test program");
  platform_activate_program();
  platform_enter_program(PROGRAM_CODE, PROGRAM_STACK + 4096);
}

#endif
