/* Accesses that may fault: kernel_fault() knows the instructions and makes them fail instead. */
  .section .text.traps, "ax"
  .code64

/*
 * int copy_guarded(void *to, const void *from, size_t count): 0, or -1 when an address is bad.
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

  .section .note.GNU-stack, "", @progbits
