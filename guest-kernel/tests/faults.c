/* Exceptions of the program reach the personality, with the right vector and address, and the program goes on. */
#include "program.h"

__asm__(".pushsection .rodata\n"
        "program_code:\n"
        "  mov $0x111, %r14\n"
        "  xor %eax, %eax\n"
        "fault_0: mov (%rax), %eax\n"           /* page zero */
        "after_0:\n"
        "  mov $0x7f0000100000, %rax\n"
        "fault_1: movl $1, (%rax)\n"            /* the kernel's page tables */
        "after_1:\n"
        "fault_2: ud2\n"
        "after_2:\n"
        "  xor %ecx, %ecx\n"
        "fault_3: div %ecx\n"
        "after_3:\n"
        "  mov $0x8000000000000000, %rax\n"
        "fault_4: mov (%rax), %eax\n"           /* not canonical */
        "after_4:\n"
        "fault_5: hlt\n"
        "after_5:\n"
        "fault_6: movl $1, 0x400000\n"          /* its own code is read-only */
        "after_6:\n"
        "  mov $0x7e8000100000, %rax\n"
        "fault_7: mov (%rax), %eax\n"           /* the scaffold is gone */
        "after_7:\n"
        "fault_8: in $0x60, %al\n"
        "after_8:\n"
        "  mov $60, %eax\n"
        "  syscall\n"
        "program_code_end:\n"
        ".popsection");
extern const char program_code[], program_code_end[];
#define PLACES(n) extern const char fault_##n[], after_##n[];
PLACES(0) PLACES(1) PLACES(2) PLACES(3) PLACES(4) PLACES(5) PLACES(6) PLACES(7) PLACES(8)

#define UD 6
#define DE 0
#define GP 13
#define PF 14

static const struct {
  const char *at, *after, *what;
  unsigned vector;
  uint64_t error, address;
} expected[] = {
    {fault_0, after_0, "reads page zero", PF, 4, 0},
    {fault_1, after_1, "writes the page tables", PF, 7, 0x7f0000100000},
    {fault_2, after_2, "undefined instruction", UD, 0, 0},
    {fault_3, after_3, "divides by zero", DE, 0, 0},
    {fault_4, after_4, "reads a non-canonical address", GP, 0, 0},
    {fault_5, after_5, "halts", GP, 0, 0},
    {fault_6, after_6, "writes its code", PF, 7, 0x400000},
    {fault_7, after_7, "reads the scaffold", PF, 4, 0x7e8000100000},
    {fault_8, after_8, "reads a port", GP, 0, 0},
};
static unsigned next;

void personality_fault(struct program_regs *regs, unsigned vector, uint64_t error, uint64_t address) {
  bool right = next < sizeof expected / sizeof *expected && regs->rip == PROGRAM_CODE + (uint64_t)(expected[next].at - program_code) &&
               vector == expected[next].vector && error == expected[next].error && regs->r14 == 0x111 &&
               (vector != PF || address == expected[next].address);
  print("%s: vector %u error %lx address %lx rip %lx\n", next < 9 ? expected[next].what : "?", vector, error, address, regs->rip);
  if (!right) finish("faults", false);
  regs->rip = PROGRAM_CODE + (uint64_t)(expected[next].after - program_code);
  next++;
}

void personality_syscall(struct program_regs *regs) { finish("faults", next == sizeof expected / sizeof *expected); }

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  run_program(program_code, program_code_end);
}
