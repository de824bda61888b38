/* Halts with interrupts off: nothing inside can ever wake this vCPU. */
#include "pvh.h"
  cli
  hlt
  jmp start
