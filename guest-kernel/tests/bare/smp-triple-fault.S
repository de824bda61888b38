/* The last processor to start shuts down (triple fault) while the others halt: one of them ends the machine. */
#include "smp.h"

all_started:
  mov count, %eax
  movzbl ids-1(%eax), %edx
  mov $ICR_FIXED | IPI_VECTOR, %eax
  call send
  jmp halt

ap_main:
  sti
  hlt
  jmp ap_main

on_ipi:
  lidt no_table
  ud2

  .balign 4
no_table:
  .word 0
  .long 0
