/*
 * Signals hit a program at any instruction, in and out of system calls: none is lost, no register changes. The host
 * sends signals of any number until it sees EXIT; the guest leaves after 300.
 */
#include "program.h"

__asm__(".pushsection .rodata\n"
        "program_code:\n"
        "  mov $1, %ebx\n mov $2, %ebp\n mov $3, %r8d\n mov $4, %r9d\n mov $5, %r10d\n mov $6, %r12d\n mov $7, %r13d\n"
        "  mov $8, %r14d\n mov $9, %r15d\n mov $10, %esi\n mov $11, %edi\n mov $12, %edx\n"
        "1: mov $39, %eax\n"
        "  syscall\n"
        "  cmp $77, %rax\n jne 2f\n"
        "  mov $200, %ecx\n"
        "3: dec %ecx\n jnz 3b\n"
        "  lea (%rbx,%rbp), %rax\n add %r8, %rax\n add %r9, %rax\n add %r10, %rax\n add %r12, %rax\n add %r13, %rax\n"
        "  add %r14, %rax\n add %r15, %rax\n add %rsi, %rax\n add %rdi, %rax\n add %rdx, %rax\n"
        "  cmp $78, %rax\n je 1b\n"
        "2: mov $60, %eax\n"
        "  syscall\n"
        "program_code_end:\n"
        ".popsection");
extern const char program_code[], program_code_end[];

static volatile unsigned arrived, delivered;
static unsigned calls;

void personality_signal_arrived(int signo) { arrived++; }
bool personality_signal_pending(void) { return arrived != delivered; }

void personality_deliver_signals(struct program_regs *regs) {
  delivered = arrived;
  if (delivered < 300) return;
  print("%u signals, %u calls\n", delivered, calls);
  finish("signal-storm", true);
}

void personality_syscall(struct program_regs *regs) {
  if (regs->orig_rax != 39) finish("signal-storm", false);
  calls++;
  regs->rax = 77;
}

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  run_program(program_code, program_code_end);
}
