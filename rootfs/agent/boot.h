/* What a fresh kernel needs before it can be talked to: its own file systems, device files, modules. */
#ifndef BOOT_H
#define BOOT_H

/* As process 1. What the kernel lacks is no failure. */
void boot(void);
/* For tests, as any process: only what its host has already. */
void boot_as_guest_of_host(void);
/* What the kernel lacks, as a list in words; empty when all is there. */
const char *boot_lacks(void);
/* /proc as it was mounted, wherever programs move or hide it. */
int boot_proc(void);

#endif
