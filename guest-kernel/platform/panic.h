#ifndef CLOISTER_PANIC_H
#define CLOISTER_PANIC_H

#include <stdbool.h>

#include "platform.h"

/* An exception that nobody foresaw, in the kernel itself: report and end. */
void panic_exception(const struct program_regs *regs, unsigned vector, uint64_t error, uint64_t address, bool at_cpl0)
    __attribute__((noreturn));
/* The program overwrote the kernel: nothing in memory can be trusted. */
void kernel_overwritten(void) __attribute__((noreturn));

#endif
