/* A program that overwrites all the kernel memory it can reach: whatever happens, it ends, and ends here. */
#include "program.h"

__asm__(".pushsection .rodata\n"
        "program_code:\n"
        "  movabs $data_start, %rdi\n"
        "  movabs $data_end, %rcx\n"
        "  sub %rdi, %rcx\n"
        "  mov $0xcc, %al\n"
        "  rep stosb\n"
        "  mov $39, %eax\n"
        "  syscall\n"
        "1: jmp 1b\n"
        "program_code_end:\n"
        ".popsection");
extern const char program_code[], program_code_end[];

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  print("smashing\n");
  run_program(program_code, program_code_end);
}
