/* The kernel's own code reads page zero: a panic with a report, and the panic port. */
#include "guest.h"

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  print("reading page zero\n");
  __asm__ volatile("movl $1, 8");
  finish("panic", false);
}
