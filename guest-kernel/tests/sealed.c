/*
 * A program that knows where the kernel's way to CPL0 is, and asks there for what only the boot may have: none of it
 * is done. A hijacked `syscall` ends the guest with status 66.
 */
#include "program.h"
#include "layout.h"
#include "privileged.h"

#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)
#define CALL(operation, a, b, c, result) \
  "  mov $" TEXT(operation) ", %edi\n" \
  "  mov " a ", %rsi\n" \
  "  mov $" b ", %edx\n" \
  "  mov $" c ", %ecx\n" \
  "  movabs $privileged, %rax\n" \
  "  call *%rax\n" \
  "  mov %rax, " result "\n"

/* What the program gets in its first words: an address for each. */
struct given {
  uint64_t supervisor, hijacked, clock;
};

__asm__(".pushsection .rodata\n"
        "program_code:\n"
        "  mov $0x500000, %ebp\n"
        CALL(PRIVILEGED_OUT_STRING, "(%rbp)", "0x3f8", "16", "%r12")    /* page tables to the serial port */
        CALL(PRIVILEGED_RUN, "8(%rbp)", "0", "0", "%r13")               /* its own code at CPL0 */
        CALL(PRIVILEGED_SEAL, "16(%rbp)", "0", "0", "%r14")             /* its own page tables */
        CALL(1, "16(%rbp)", "0x4b564d01", "0", "%r15")                  /* MSR_KVM_SYSTEM_TIME_NEW: the host writes there */
        CALL(1, "8(%rbp)", "0xc0000082", "0", "%rbx")                   /* MSR_LSTAR: what `syscall` enters */
        "  mov %fs:0, %r9\n"                                            /* the FS base is all that these two set */
        "  mov $60, %eax\n"
        "  syscall\n"
        "hijacked:\n"
        CALL(PRIVILEGED_OUT, "$66", "0xf4", "0", "%rax")
        "1: jmp 1b\n"
        "program_code_end:\n"
        ".popsection");
extern const char program_code[], program_code_end[], hijacked[];

static uint64_t *clock_page;

void personality_syscall(struct program_regs *regs) {
  const uint64_t refused = (uint64_t)PRIVILEGED_FAILED;
  bool passed = regs->orig_rax == 60 && regs->r12 == refused && regs->r13 == refused && regs->r14 == refused &&
                regs->r15 == 0 && regs->rbx == 0 && regs->r9 == *(const uint64_t *)hijacked;
  for (unsigned i = 0; i < 8; i++) passed = passed && clock_page[i] == 0;
  finish("sealed", passed);
}

void personality_main(void) {
  struct memory_window window = platform_memory();
  clock_page = (uint64_t *)(window.base + 2 * PAGE_SIZE);
  *(struct given *)(window.base + PAGE_SIZE) = (struct given){
      .supervisor = KERNEL_BASE + KERNEL_LOAD,
      .hijacked = PROGRAM_CODE + (uint64_t)(hijacked - program_code),
      .clock = PA(clock_page) | 1,
  };
  run_program(program_code, program_code_end);
}
