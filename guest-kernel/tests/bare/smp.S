/*
 * Several processors: each one that the MADT names says its APIC id, halts, and is woken by an interrupt from the first.
 * Prints "PASS smp N" and ends with 0 when all N have come.
 */
#include "smp.h"

all_started:
  xor %ebx, %ebx
1:
  cmp count, %ebx
  jae 2f
  movzbl ids(%ebx), %edx
  inc %ebx
  cmp %edi, %edx
  je 1b
  mov $ICR_FIXED | IPI_VECTOR, %eax
  call send
  jmp 1b
2:
  mov woken, %eax
  inc %eax
  cmp count, %eax
  je 3f
  pause
  jmp 2b
3:
  aam                               /* AH, AL: the two decimal digits of the count */
  add $0x3030, %ax
  mov %al, number + 1
  mov %ah, number
  cmp $'0', %ah
  jne 4f
  mov %al, number
  movw $0x0a, number + 1
4:
  mov $pass, %esi
  call say
  xor %eax, %eax
  mov $EXIT_PORT, %dx
  out %al, %dx
  jmp halt

ap_main:
  sti
  hlt
  jmp ap_main

on_ipi:
  movl $0, LAPIC_EOI
  lock incl woken
  jmp halt

woken: .long 0
pass: .ascii "PASS smp "
number: .ascii "..\n\0\0"
