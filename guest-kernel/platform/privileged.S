/* Calls from the kernel's body to CPL0: uint64_t privileged(operation, a, b). Operations: privileged.h. */
#include "entry.h"

  .section .text.traps, "ax"
  .code64

  .globl privileged, privileged_ud2, privileged_entry, privileged_guarded, privileged_failed, privileged_string
  .globl privileged_hlt, privileged_return
privileged:                          /* rdi: operation, rsi, rdx: a, b */
  mov %edi, %eax
privileged_ud2:
  ud2
  ret

privileged_entry:                    /* stack: rip cs rflags rsp ss */
  test %eax, %eax
  jnz 1f
  /* PRIVILEGED_HALT. Interrupts are off here: none can slip between the look and the hlt. */
  cmpl $0, pending_interrupts(%rip)
  jne privileged_return
  mov %esi, %eax
  test %eax, %eax
  jz 2f
  movabs %eax, KERNEL_BASE + LAPIC_PA + 0x380   /* initial count: the timer runs */
2:
  sti                                /* takes effect after the next instruction: no gap before hlt either */
privileged_hlt:
  hlt
privileged_return:
  addq $2, (%rsp)
  iretq

1:
  cmp $PRIVILEGED_SET_FS_BASE, %eax
  je privileged_set_fs_base
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

privileged_out_string:               /* count, port */
  cmp $PRIVILEGED_STRING_MAX, %rsi
  ja privileged_failed
  mov %esi, %ecx
  lea privileged_string(%rip), %rsi  /* never an address of the caller's: here supervisor memory would be read too */
  cld
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
privileged_set_fs_base:              /* value */
  mov $MSR_FS_BASE, %ecx
  mov %esi, %eax
  mov %rsi, %rdx
  shr $32, %rdx
  wrmsr
  xor %eax, %eax
  jmp privileged_return

privileged_failed:
  mov $PRIVILEGED_FAILED, %rax
  jmp privileged_return

  .section .privileged, "aw"
  .balign 4
privileged_sealed:
  .long 0

  .bss
privileged_string:
  .fill PRIVILEGED_STRING_MAX, 1, 0

  .section .note.GNU-stack, "", @progbits
