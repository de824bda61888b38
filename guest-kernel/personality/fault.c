/* CPU exceptions of the program become signals, as arch/x86/kernel/traps.c has them. */
#include "signal.h"

enum vector {
  DIVIDE_ERROR = 0, DEBUG = 1, BREAKPOINT = 3, OVERFLOW = 4, BOUND = 5, INVALID_OPCODE = 6, SEGMENT_NOT_PRESENT = 11,
  STACK_FAULT = 12, GENERAL_PROTECTION = 13, PAGE_FAULT = 14, X87_ERROR = 16, ALIGNMENT = 17, SIMD_ERROR = 19,
};

#define PAGE_FAULT_PRESENT 1u

/* Which SIMD exception: the lowest of the flags that is not masked (SDM volume 1 section 11.5). */
static int simd_code(void) {
  uint32_t mxcsr;
  __asm__("stmxcsr %0" : "=m"(mxcsr));
  uint32_t raised = mxcsr & ~(mxcsr >> 7);
  if (raised & 0x01) return FPE_FLTINV;
  if (raised & 0x04) return FPE_FLTDIV;
  if (raised & 0x08) return FPE_FLTOVF;
  if (raised & 0x12) return FPE_FLTUND;
  return FPE_FLTRES;
}

static siginfo_t signal_for(unsigned vector, uint64_t error, uint64_t rip, uint64_t address) {
  int signo, code = SI_KERNEL;
  uint64_t where = 0;
  switch (vector) {
    case DIVIDE_ERROR: signo = SIGFPE, code = FPE_INTDIV, where = rip; break;
    case DEBUG: signo = SIGTRAP, code = TRAP_TRACE, where = rip; break;
    case BREAKPOINT: signo = SIGTRAP; break;
    case INVALID_OPCODE: signo = SIGILL, code = ILL_ILLOPN, where = rip; break;
    case SEGMENT_NOT_PRESENT:
    case STACK_FAULT: signo = SIGBUS; break;
    case PAGE_FAULT:
      signo = SIGSEGV, code = error & PAGE_FAULT_PRESENT ? SEGV_ACCERR : SEGV_MAPERR, where = address;
      break;
    case X87_ERROR: signo = SIGFPE, code = FPE_FLTINV, where = rip; break;
    case SIMD_ERROR: signo = SIGFPE, code = simd_code(), where = rip; break;
    case ALIGNMENT: signo = SIGBUS, code = BUS_ADRALN; break;
    case OVERFLOW:
    case BOUND:
    case GENERAL_PROTECTION:
    default: signo = SIGSEGV; break;
  }
  siginfo_t info = {.si_signo = signo, .si_code = code};
  info.si_addr = (void *)(uintptr_t)where;
  return info;
}

void personality_fault(struct program_regs *regs, unsigned vector, uint64_t error, uint64_t address) {
  siginfo_t info = signal_for(vector, error, regs->rip, address);
  int signo = info.si_signo;
  regs->orig_rax = UINT64_MAX; /* not a system call: nothing to restart */
  if (signals.actions[signo].handler <= 1 || signals.blocked & SIGNAL_BIT(signo)) {
    platform_log("the program got exception %u (error 0x%lx) at 0x%lx, address 0x%lx: signal %d", vector,
                 (unsigned long)error, (unsigned long)regs->rip, (unsigned long)address, signo);
    signal_terminate(signo);
  }
  signals.pending &= ~SIGNAL_BIT(signo);
  signal_raise_info(signo, &info);
}
