#ifndef CLOISTER_CLOCK_H
#define CLOISTER_CLOCK_H

#include <stdbool.h>

/* At CPL0: shares the clock page with KVM. */
void clock_start(void);
/* Whatever tells the time here, it does from now on. */
void clock_init(void);
bool clock_is_kvm(void);

#endif
