/* System calls of the program, and the one way back to it. */
#include "entry.h"

  .section .text.traps, "ax"
  .code64

  .globl syscall_entry
syscall_entry:                       /* RCX: program's RIP, R11: its RFLAGS, RSP: still the program's */
  mov %rsp, program_rsp(%rip)
  lea kernel_stack_top(%rip), %rsp
  push $USER_DS
  push program_rsp(%rip)
  push %r11
  push $USER_CS
  push %rcx
  push %rax                          /* orig_rax */
  push_registers
  mov %rsp, %rdi
  lea syscall_body(%rip), %rax
  push $USER_DS
  push %rdi
  push $BODY_RFLAGS
  push $USER_CS
  push %rax
  iretq
syscall_body:
  cmpl $KERNEL_GUARD, guard_first(%rip)
  jne kernel_overwritten             /* the program stored where it should not have */
  cmpl $0, guard_last(%rip)
  jne kernel_overwritten
  call personality_syscall
  /* and back */

/*
 * Back to the program, whose registers lie at the top of the kernel stack. An interrupt inside the window below sends
 * the CPU back to its start (popping has not destroyed the frame), so that no signal is slept through.
 */
  .globl return_to_program, return_window, return_to_program_iretq, return_window_end
return_to_program:
  lea kernel_stack_top - PROGRAM_REGS_SIZE(%rip), %rsp
  mov %rsp, %rdi
  call before_return
return_window:
  cmpl $0, pending_interrupts(%rip)
  jne return_to_program
  pop_registers
return_to_program_iretq:
  iretq
return_window_end:

/* void enter_program(rip, rsp): the way in is the way back, with a frame made up; nothing below it is needed any more. */
  .globl enter_program
enter_program:
  lea kernel_stack_top(%rip), %rsp
  push $USER_DS
  push %rsi
  push $BODY_RFLAGS
  push $USER_CS
  push %rdi
  .rept 16
  push $0
  .endr
  jmp return_to_program

  .bss
  .balign 8
program_rsp:
  .quad 0

  /* The first and the last word of the kernel's data (link.ld). */
  .section .data.guard, "aw"
  .globl guard_first, guard_last
guard_first:
  .long KERNEL_GUARD
  .section .bss.guard, "aw", @nobits
guard_last:
  .long 0

  .section .note.GNU-stack, "", @progbits
