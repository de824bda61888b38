/* A program that makes one system call in a loop: nanoseconds per call, and whether its registers survive. */
#include "program.h"

#define CALLS 200000
#define SYS_GETPID 39
#define SYS_EXIT 60

__asm__(".pushsection .rodata\n"
        "program_code:\n"
        "  mov $200000, %ebx\n"
        "  mov $0x1234567890, %r15\n"
        "1: mov $39, %eax\n"
        "  syscall\n"
        "  cmp $77, %eax\n"
        "  jne 2f\n"
        "  dec %ebx\n"
        "  jnz 1b\n"
        "  mov $0x1234567890, %rax\n"
        "  cmp %rax, %r15\n"
        "  jne 2f\n"
        "  xor %edi, %edi\n"
        "  jmp 3f\n"
        "2: mov $1, %edi\n"
        "3: mov $60, %eax\n"
        "  syscall\n"
        "  ud2\n"
        "program_code_end:\n"
        ".popsection");
extern const char program_code[], program_code_end[];

static uint64_t start;

void personality_syscall(struct program_regs *regs) {
  if (regs->orig_rax == SYS_GETPID) {
    regs->rax = 77;
  } else if (regs->orig_rax == SYS_EXIT) {
    uint64_t took = platform_monotonic_ns() - start;
    print("%u calls, %lu ns each\n", CALLS, took / CALLS);
    finish("syscall-loop", regs->rdi == 0);
  } else {
    platform_panic("system call %lu", regs->orig_rax);
  }
}

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  start = platform_monotonic_ns();
  run_program(program_code, program_code_end);
}
