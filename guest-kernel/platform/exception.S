/* Exceptions: out of kernel mode with what the CPU said about them, and on to traps.c. */
#include "entry.h"

  .section .text.traps, "ax"
  .code64

/* Entries of 16 bytes each; vectors 8, 10 to 14, 17, 21, 29 and 30 come with an error code. */
  .globl exception_entries
  .balign 16
exception_entries:
  .set vector, 0
  .rept 32
  .balign 16
  .if !((1 << vector) & 0x60227d00)
  push $0
  .endif
  push $vector
  jmp exception
  .set vector, vector + 1
  .endr

/* The body's calls for CPL0 come here, by RSP0: their own #GP must not land on this stack's frame. */
  .globl undefined_instruction
undefined_instruction:               /* stack: rip cs rflags rsp ss */
  cmpl $PHYSICAL(privileged_ud2), (%rsp)
  jne 1f
  cmpl $BASE_HIGH, 4(%rsp)
  je privileged_entry
1:
  push $0
  push $6

exception:                           /* stack: vector error rip cs rflags rsp ss */
  push %rax
  testb $3, 32(%rsp)
  jz exception_at_cpl0
2:
  mov 8(%rsp), %rax
  mov %rax, trap_vector(%rip)
  mov 16(%rsp), %rax
  mov %rax, trap_error(%rip)
  mov %cr2, %rax
  mov %rax, trap_address(%rip)
  mov 24(%rsp), %rax
  mov %rax, trap_rip(%rip)
  mov 40(%rsp), %rax
  mov %rax, trap_rflags(%rip)
  mov 48(%rsp), %rax
  mov %rax, trap_rsp(%rip)
  movq $USER_CS, 32(%rsp)
  movq $BODY_RFLAGS, 40(%rsp)
  movq $USER_DS, 56(%rsp)
  cmpl $BASE_HIGH, 28(%rsp)
  jne 3f
  cmpl $PHYSICAL(text_end), 24(%rsp)
  jb 4f
3:
  lea program_fault_body(%rip), %rax
  mov %rax, 24(%rsp)
  lea kernel_stack_top(%rip), %rax
  jmp 5f
4:
  lea kernel_fault_body(%rip), %rax
  mov %rax, 24(%rsp)
  lea fault_stack_top(%rip), %rax
5:
  mov %rax, 48(%rsp)
  pop %rax
  add $16, %rsp
  iretq

exception_at_cpl0:                   /* a refused wrmsr: the call fails; all else is fatal */
  movb $1, trap_at_cpl0(%rip)
  lea privileged_guarded(%rip), %rax
  cmp %rax, 24(%rsp)
  jb 2b
  lea privileged_failed(%rip), %rax
  cmp %rax, 24(%rsp)
  jae 2b
  movb $0, trap_at_cpl0(%rip)
  mov %rax, 24(%rsp)
  pop %rax
  add $16, %rsp
  iretq

.macro fault_frame
  push $USER_DS
  push trap_rsp(%rip)
  push trap_rflags(%rip)
  push $USER_CS
  push trap_rip(%rip)
  push $-1
  push_registers
  mov %rsp, %rdi
.endm

program_fault_body:
  fault_frame
  call program_fault
  jmp return_to_program

kernel_fault_body:
  fault_frame
  call kernel_fault                  /* returns only where a fault was foreseen */
  test %eax, %eax
  jnz return_refused
  pop_registers
  iretq

return_refused:                      /* the CPU refused the program's registers: the program's fault */
  lea kernel_stack_top - PROGRAM_REGS_SIZE(%rip), %rsp
  mov %rsp, %rdi
  call program_fault
  jmp return_to_program

  .bss
  .globl trap_vector, trap_error, trap_address, trap_at_cpl0
  .balign 8
trap_vector:
  .quad 0
trap_error:
  .quad 0
trap_address:
  .quad 0
trap_at_cpl0:
  .long 0

  .section .note.GNU-stack, "", @progbits
