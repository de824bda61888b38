/*
 * All programs stand still at once, and go on. A control group holds them, none of ours (cgroup-v2.rst, cgroup.freeze);
 * where the kernel has no such groups they are stopped by signals, which their parents may notice.
 */
#ifndef FREEZER_H
#define FREEZER_H

#include <stdbool.h>

/* Once, when groups.h has its groups. */
void freezer_open(void);
/* Whether it is a control group. */
bool freezer_is_there(void);
/* Returns when they stand still. @returns 0, or an errno, and then they go on */
int freezer_freeze(void);
void freezer_thaw(void);

#endif
