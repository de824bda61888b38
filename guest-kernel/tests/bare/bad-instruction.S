/*
 * xsave at CPL0 without CR4.OSXSAVE and with an empty interrupt table: a triple fault on VMX and SVM hardware. A
 * software KVM that emulates kernel mode has no xsave and gives up (KVM_EXIT_INTERNAL_ERROR, emulation failure).
 */
#include "pvh.h"
  lidt empty
  xsave start
  .balign 4
empty:
  .word 0
  .long 0
