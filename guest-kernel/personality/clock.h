/* Time as system calls pass it. */
#ifndef PERSONALITY_CLOCK_H
#define PERSONALITY_CLOCK_H

#include <linux/time_types.h>

#include "base.h"

/* Reads a timespec of the program as nanoseconds, at most INT64_MAX. 0, -EFAULT, or -EINVAL when it is not a time. */
int clock_read_timespec(uint64_t address, uint64_t *ns);
int clock_write_timespec(uint64_t address, uint64_t ns);
int clock_read_timeval(uint64_t address, uint64_t *ns);
int clock_write_timeval(uint64_t address, uint64_t ns);
/* The monotonic time `ns` from now, never past the end of time. */
uint64_t clock_deadline(uint64_t ns);

#endif
