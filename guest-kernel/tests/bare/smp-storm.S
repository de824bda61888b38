/*
 * Several processors that never rest, each in another way, for a monitor that pauses and stops them at any moment: the
 * first interrupts all others in turn; of the others, by APIC id modulo 4, 1 halts until it is interrupted, 2 loops,
 * 3 writes to a port of nobody, 0 halts for ever. What has a higher id than 4 is never started.
 * Each that moves counts its steps in a long of the first boot module, by its id.
 */
#define LAST_STARTED 4
#define FIND_MODULE
#include "smp.h"

all_started:
  mov module, %esi
1:
  xor %ebx, %ebx
2:
  incl (%esi)
  inc %ebx
  cmp count, %ebx
  jae 1b
  cmp $LAST_STARTED, %ebx
  ja 1b
  movzbl ids(%ebx), %edx
  mov $ICR_FIXED | IPI_VECTOR, %eax
  call send
  jmp 2b

ap_main:
  mov module, %esi
  lea (%esi,%edi,4), %esi
  mov %edi, %eax
  and $3, %eax
  jz halt
  dec %eax
  jz until_interrupted
  dec %eax
  jz loops
1:
  incl (%esi)
  out %al, $0x80
  jmp 1b
loops:
  incl (%esi)
  jmp loops
until_interrupted:
  incl (%esi)
  sti
  hlt
  jmp until_interrupted

/* Only one that halts takes it: what it was at is dropped with the stack frame. */
on_ipi:
  add $12, %esp
  movl $0, LAPIC_EOI
  jmp until_interrupted
