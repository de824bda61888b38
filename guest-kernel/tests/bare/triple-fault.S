/* An exception without an interrupt table: #UD, then #GP, then the CPU shuts down. */
#include "pvh.h"
  lidt empty
  ud2
  .balign 4
empty:
  .word 0
  .long 0
