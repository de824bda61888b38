/* The root that programs see: a disk image below, read-only, and above it what is written. */
#ifndef ROOT_H
#define ROOT_H

#include <stdint.h>

struct root {
	uint64_t bytes;      /* the disk's size: one that was exchanged under a sleeping guest grows to it */
	const char *device;  /* its name in /dev, or "" to look for the serial number */
	const char *serial;
	const char *type;    /* of its file system */
	const char *scratch; /* serial number of a disk for what is written, or "" for memory */
	const char *scratch_type;
};

/* What needs no disk, done while nobody waits. */
void root_prepare(void);
/*
 * Once. From then on it is ours as well.
 * @param what gets the step that failed
 * @returns an errno, or 0
 */
int root_enter(const struct root *root, char *what);

#endif
