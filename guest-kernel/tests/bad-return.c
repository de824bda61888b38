/* The personality sends the program to an address that no CPU accepts: the program's fault, not the kernel's. */
#include "program.h"

__asm__(".pushsection .rodata\n"
        "program_code:\n"
        "  mov $39, %eax\n"
        "  syscall\n"
        "program_code_end:\n"
        ".popsection");
extern const char program_code[], program_code_end[];

#define NOT_CANONICAL 0x8000000000001234ul

void personality_syscall(struct program_regs *regs) { regs->rip = NOT_CANONICAL; }

void personality_fault(struct program_regs *regs, unsigned vector, uint64_t error, uint64_t address) {
  print("vector %u rip %lx\n", vector, regs->rip);
  finish("bad-return", vector == 13 && regs->rip == NOT_CANONICAL);
}

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  run_program(program_code, program_code_end);
}
