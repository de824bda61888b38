/* A program that single-steps itself through a system call: the trap flag never reaches the kernel's own code. */
#include "program.h"

__asm__(".pushsection .rodata\n"
        "program_code:\n"
        "  pushf\n"
        "  orq $0x100, (%rsp)\n"
        "  popf\n"
        "  nop\n"
        "  mov $39, %eax\n"
        "  syscall\n"
        "  nop\n"
        "  pushf\n"
        "  andq $~0x100, (%rsp)\n"
        "  popf\n"
        "  mov $60, %eax\n"
        "  syscall\n"
        "program_code_end:\n"
        ".popsection");
extern const char program_code[], program_code_end[];

static unsigned steps, others;

void personality_fault(struct program_regs *regs, unsigned vector, uint64_t error, uint64_t address) {
  if (vector == 1)
    steps++;
  else
    others++;
  if (regs->rip < PROGRAM_CODE || regs->rip > PROGRAM_CODE + 100 || others) finish("single-step", false);
}

void personality_syscall(struct program_regs *regs) {
  if (regs->orig_rax == 39) return;
  print("%u steps\n", steps);
  finish("single-step", steps >= 5 && steps <= 9);
}

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  run_program(program_code, program_code_end);
}
