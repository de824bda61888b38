/*
 * A signal from the host interrupts a program that never enters the kernel: the personality gets its registers and
 * moves it on. The host sends SIGINT (2) on the control port once it sees STARTED.
 */
#include "program.h"

__asm__(".pushsection .rodata\n"
        "program_code:\n"
        "  mov $0x222, %r13\n"
        "1: jmp 1b\n"
        "after_loop:\n"
        "  mov $60, %eax\n"
        "  syscall\n"
        "program_code_end:\n"
        ".popsection");
extern const char program_code[], program_code_end[], after_loop[];

static volatile int pending;

void personality_signal_arrived(int signo) { pending = signo; }
bool personality_signal_pending(void) { return pending; }

void personality_deliver_signals(struct program_regs *regs) {
  if (pending != 2 || regs->r13 != 0x222) return;
  pending = 0;
  regs->rip = PROGRAM_CODE + (uint64_t)(after_loop - program_code);
}

void personality_syscall(struct program_regs *regs) { finish("signal", regs->orig_rax == 60 && regs->r13 == 0x222); }

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  run_program(program_code, program_code_end);
}
