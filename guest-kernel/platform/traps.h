/* Interrupts, exceptions, and waiting for them. */
#ifndef CLOISTER_TRAPS_H
#define CLOISTER_TRAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills the interrupt table and the task state: what the entry code relies on (entry.h). */
void traps_init(void);

/* Bits PENDING_*, set by interrupt handlers at any moment, cleared by service_interrupts(). */
extern volatile uint32_t pending_interrupts;

/* Reads what the host said, if a device interrupted. */
void service_interrupts(void);
/* Halts the vCPU unless an interrupt is pending since the last service_interrupts(). Look at what you wait for between. */
void wait_for_interrupt(void);
/* The same, and one interrupt comes from the timer in about this time (or earlier, if that is far away). */
void wait_for_timer(uint64_t ns);

/* memcpy that survives bad addresses: 0, or -1. */
int copy_guarded(void *to, const void *from, size_t count);
int write_fs_base(uint64_t value);

#endif
