/* Interrupt controllers and the timer. */
#ifndef CLOISTER_APIC_H
#define CLOISTER_APIC_H

#include <stdint.h>

/* At CPL0: interrupts have somewhere to go. */
void apic_start(void);
/* How fast the timer counts. */
void apic_init(void);
/* Sends edges of this interrupt line to this CPU, as `vector`. */
void ioapic_route(unsigned gsi, unsigned vector);
/* The timer's initial count for one interrupt in about this time; less if it cannot count so far. Never 0. */
uint32_t timer_ticks(uint64_t ns);
/* Starts it, replacing what it counted before. */
void timer_start(uint64_t ns);

#endif
