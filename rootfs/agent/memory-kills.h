/* How often the kernel killed a process for want of memory, since it booted. */
#ifndef MEMORY_KILLS_H
#define MEMORY_KILLS_H

#include <stdbool.h>

/* Whether that happened since we looked last. Reading it is slow: only for programs that ended by SIGKILL. */
bool memory_was_short(void);

#endif
