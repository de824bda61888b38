/*
 * Every way into the kernel, and the way back. Three kinds:
 *
 *   system calls    syscall_entry, at CPL0 on hardware and at CPL3 on a software KVM that leaves the privilege alone.
 *                   It therefore holds nothing privileged, and always goes on at CPL3 by iretq.
 *   interrupts      gates to CPL0 with a stack of their own: set a bit, end of interrupt, done. If the program was
 *                   running, the kernel's body looks at the bit at once, else whoever is in the kernel does.
 *   exceptions      gates to CPL0; the frame is copied out and the kernel's body takes over at CPL3. `ud2` at
 *                   privileged_ud2 is the body's own call for the few things that need CPL0.
 *
 * CPL0 code is short: a software KVM needs most of a microsecond per instruction. All segments are constant: the
 * program has no other selectors to load (layout.h).
 */
#include "layout.h"
#include "privileged.h"

#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)
#define BASE_HIGH (KERNEL_BASE >> 32)
#define BODY_RFLAGS (RFLAGS_IF | RFLAGS_RESERVED)
#define PROGRAM_REGS_SIZE 168

/* The lower part of struct program_regs (platform.h), below the five words of an iretq frame and orig_rax. */
.macro push_registers
  push %rdi
  push %rsi
  push %rdx
  push %rcx
  push %rax
  push %r8
  push %r9
  push %r10
  push %r11
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
.endm

.macro pop_registers
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rax
  pop %rcx
  pop %rdx
  pop %rsi
  pop %rdi
  add $8, %rsp                       /* orig_rax */
.endm

  .section .text.traps, "ax"
  .code64

/* --- system calls --- */

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
  .globl return_to_program, return_to_program_iretq
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

/* --- interrupts --- */

/* For a virtio device, `registers` holds where its window is: its line falls before anyone looks at the rings. */
.macro interrupt name, pending, registers
  .globl \name
\name:
  push %rax
  .ifnb \registers
  mov \registers(%rip), %rax
  movl $3, 0x64(%rax)                /* InterruptACK: used buffers and configuration, without asking which */
  .endif
  xor %eax, %eax
  movabs %eax, KERNEL_BASE + LAPIC_PA + 0xb0   /* end of interrupt */
  orl $\pending, pending_interrupts(%rip)
  jmp interrupt_return
.endm

  interrupt timer_interrupt, PENDING_TIMER
  interrupt console_interrupt, PENDING_CONSOLE, console_registers
  interrupt entropy_interrupt, PENDING_ENTROPY, entropy_registers
  interrupt serial_interrupt, PENDING_SERIAL

interrupt_return:                    /* stack: rax rip cs rflags rsp ss */
  cmpl $BASE_HIGH, 12(%rsp)
  jne interrupted_program
  cmpl $PHYSICAL(text_end), 8(%rsp)
  jae interrupted_program
  cmpl $PHYSICAL(return_window), 8(%rsp)
  jb 1f
  cmpl $PHYSICAL(return_window_end), 8(%rsp)
  jae 1f
  movl $PHYSICAL(return_to_program), 8(%rsp)
1:
  pop %rax
  iretq

interrupted_program:                 /* hand its registers to the body, on the kernel stack */
  mov 8(%rsp), %rax
  mov %rax, trap_rip(%rip)
  mov 24(%rsp), %rax
  mov %rax, trap_rflags(%rip)
  mov 32(%rsp), %rax
  mov %rax, trap_rsp(%rip)
  lea interrupted_body(%rip), %rax
  mov %rax, 8(%rsp)
  movq $BODY_RFLAGS, 24(%rsp)
  lea kernel_stack_top(%rip), %rax
  mov %rax, 32(%rsp)
  pop %rax
  iretq

interrupted_body:
  push $USER_DS
  push trap_rsp(%rip)
  push trap_rflags(%rip)
  push $USER_CS
  push trap_rip(%rip)
  push $-1
  push_registers
  jmp return_to_program

  .globl ignored_interrupt
ignored_interrupt:
  iretq

/* --- exceptions --- */

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

/* --- privileged calls: uint64_t privileged(operation, a, b, c) --- */

  .globl privileged
privileged:                          /* rdi: operation, rsi, rdx, rcx: a, b, c */
  mov %edi, %eax
privileged_ud2:
  ud2
  ret

privileged_entry:                    /* stack: rip cs rflags rsp ss */
  test %eax, %eax
  jnz 1f
  /* PRIVILEGED_HALT. Interrupts are off here: none can slip between the look and `sti; hlt`. */
  cmpl $0, pending_interrupts(%rip)
  jne privileged_return
  mov %esi, %eax
  test %eax, %eax
  jz 2f
  movabs %eax, KERNEL_BASE + LAPIC_PA + 0x380   /* initial count: the timer runs */
2:
  sti
  hlt
privileged_return:
  addq $2, (%rsp)
  iretq

1:
  cmp $PRIVILEGED_WRITE_MSR, %eax
  je privileged_write_msr
  cmp $PRIVILEGED_OUT, %eax
  je privileged_out
  cmp $PRIVILEGED_OUT_STRING, %eax
  je privileged_out_string
  cmp $PRIVILEGED_IN, %eax
  je privileged_in
  cmpl $0, privileged_sealed(%rip)
  jne privileged_failed
  cmp $PRIVILEGED_RUN, %eax
  je privileged_run
  cmp $PRIVILEGED_SEAL, %eax
  je privileged_seal
  jmp privileged_failed

privileged_out:                      /* value, port */
  mov %esi, %eax
  out %al, %dx
  jmp privileged_return

privileged_out_string:               /* bytes, port, count */
  rep outsb
  jmp privileged_return

privileged_in:                       /* -, port */
  xor %eax, %eax
  in %dx, %al
  jmp privileged_return

privileged_run:                      /* function, argument */
  mov %rdx, %rdi
  mov %rsi, %rax
  mov %rsp, %rsi
  call *%rax
  jmp privileged_return

privileged_seal:                     /* page-table root */
  movl $1, privileged_sealed(%rip)
  mov %rsi, %cr3
  jmp privileged_return

/* From here to privileged_failed a #GP makes the call return PRIVILEGED_FAILED. */
privileged_guarded:
privileged_write_msr:                /* value, msr */
  mov %edx, %ecx
  mov %esi, %eax
  mov %rsi, %rdx
  shr $32, %rdx
  wrmsr
  xor %eax, %eax
  jmp privileged_return

privileged_failed:
  mov $PRIVILEGED_FAILED, %rax
  jmp privileged_return

/*
 * ssize_t copy_guarded(void *to, const void *from, size_t count): 0, or the fault handler makes it -1 when an address
 * is bad (kernel_fault).
 */
  .globl copy_guarded, copy_guarded_faulting, copy_guarded_failed, write_fs_base, write_fs_base_faulting
copy_guarded:
  mov %rdx, %rcx
copy_guarded_faulting:
  rep movsb
  xor %eax, %eax
  ret

/* int write_fs_base(uint64_t value): 0, or -1 on a CPU or KVM without FSGSBASE. */
write_fs_base:
write_fs_base_faulting:
  wrfsbase %rdi
  xor %eax, %eax
  ret

copy_guarded_failed:
  mov $-1, %rax
  ret

  .section .privileged, "aw"
  .balign 4
privileged_sealed:
  .long 0

  /* The first and the last word of the kernel's data (link.ld). */
  .section .data.guard, "aw"
  .globl guard_first, guard_last
guard_first:
  .long KERNEL_GUARD
  .section .bss.guard, "aw", @nobits
guard_last:
  .long 0

  .bss
  .globl trap_vector, trap_error, trap_address, trap_at_cpl0, pending_interrupts
  .balign 8
program_rsp:
  .quad 0
trap_vector:
  .quad 0
trap_error:
  .quad 0
trap_address:
  .quad 0
trap_rip:
  .quad 0
trap_rflags:
  .quad 0
trap_rsp:
  .quad 0
trap_at_cpl0:
  .long 0
pending_interrupts:
  .long 0

  .section .note.GNU-stack, "", @progbits
