/* CONFIGURE and RELEASE: what makes this guest the one it is to be, step by step in the order given. */
#ifndef CONFIGURE_H
#define CONFIGURE_H

#include "wire.h"

enum { WHAT_MAX = 256 };

/* The step that did not work. */
struct failure {
	int error; /* an errno, or 0 */
	char what[WHAT_MAX];
};

/* Stops at the first that does not work. @returns false when the frame breaks the protocol */
bool configure(struct reader *items, struct failure *failure);

#endif
