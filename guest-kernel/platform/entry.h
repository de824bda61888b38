/*
 * Every way into the kernel, and the way back, in four files:
 *
 *   system-call.S   at CPL0 on hardware and at CPL3 on a software KVM that leaves the privilege alone. It therefore
 *                   holds nothing privileged, and always goes on at CPL3 by iretq. The way back is here too.
 *   interrupt.S     gates to CPL0 with a stack of their own: set a bit, end of interrupt, done. If the program was
 *                   running, the kernel's body looks at the bit at once, else whoever is in the kernel does.
 *   exception.S     gates to CPL0; the frame is copied out and the kernel's body takes over at CPL3.
 *   privileged.S    `ud2` at privileged_ud2 is the body's own call for the few things that need CPL0.
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
