/* Whether the kernel killed processes for want of memory: it says so in its log, whatever else it counts. */
#ifndef MEMORY_KILLS_H
#define MEMORY_KILLS_H

#include <stdbool.h>

/* From now on. */
void memory_kills_watch(void);
/* Since the watch began, or since it was asked last. */
bool memory_was_short(void);

#endif
