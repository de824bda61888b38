#ifndef CLOISTER_CLOCK_H
#define CLOISTER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* At CPL0: shares the clock page with KVM. */
void clock_start(void);
/* Whatever tells the time here, it does from now on. */
void clock_init(void);
/* The host says what time it is: believed when we are off by more than a message takes. */
void clock_correct(uint64_t realtime_ns);
bool clock_is_kvm(void);

#endif
