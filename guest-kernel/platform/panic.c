/* The end when an invariant broke: a line or two on the log and the serial port, the panic port, then silence. */
#include "panic.h"

#include "abi.h"
#include "console.h"
#include "format.h"
#include "log.h"
#include "privileged.h"
#include "serial.h"
#include "string.h"

static bool panicking;

static void __attribute__((noreturn)) stop(void) {
  privileged(PRIVILEGED_OUT, 1, CLOISTER_IO_PANIC);
  /* Under a VMM without a panic port: leave with the status that says "the guest died". */
  privileged(PRIVILEGED_OUT, 125, CLOISTER_IO_EXIT);
  for (;;) privileged(PRIVILEGED_HALT, 0, 0);
}

/* A panic that meets another one on its way stops at once. */
static void begin(void) {
  if (panicking) stop();
  panicking = true;
}

/* Serial first: it needs nothing to work but a port. */
static void say(const char *line) {
  serial_write("cloister guest kernel: ", 23);
  serial_write(line, strlen(line));
  serial_write("\n", 1);
  if (console_has_control()) log_line(line);
}

void platform_panic(const char *format, ...) {
  char line[400];
  va_list args;
  begin();
  va_start(args, format);
  int at = snprintf(line, sizeof line, "panic: ");
  vsnprintf(line + at, sizeof line - (size_t)at, format, args);
  va_end(args);
  say(line);
  stop();
}

void panic_exception(const struct program_regs *regs, unsigned vector, uint64_t error, uint64_t address, bool at_cpl0) {
  static const char *const names[] = {
      "divide error",        "debug",         "NMI",           "breakpoint",         "overflow",
      "bound range",         "invalid opcode", "no device",     "double fault",       "coprocessor overrun",
      "invalid TSS",         "no segment",     "stack fault",   "general protection", "page fault",
      "reserved",            "x87 error",      "alignment",     "machine check",      "SIMD error"};
  char line[400];
  begin();
  snprintf(line, sizeof line, "panic: %s (vector %u, error %lx) in the kernel at CPL%d, rip %lx, address %lx",
           vector < sizeof names / sizeof *names ? names[vector] : "exception", vector, error, at_cpl0 ? 0 : 3, regs->rip,
           address);
  say(line);
  snprintf(line, sizeof line, "rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx rsp %lx r8 %lx r9 %lx r10 %lx r11 %lx",
           regs->rax, regs->rbx, regs->rcx, regs->rdx, regs->rsi, regs->rdi, regs->rbp, regs->rsp, regs->r8, regs->r9,
           regs->r10, regs->r11);
  say(line);
  stop();
}

void kernel_overwritten(void) {
  static const char line[] = "cloister guest kernel: panic: the program overwrote the kernel's memory\n";
  serial_write(line, sizeof line - 1);
  stop();
}
