/* Boots, takes its arguments, prints them. */
#include "guest.h"

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  for (int i = 0; i < args.argc; i++) print("argv[%d] = %s\n", i, args.argv[i]);
  finish("hello", true);
}
