/* A pseudo-terminal: the host's end is ours, the other one is the program's. pty(7) */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdint.h>

struct terminal_size {
	uint16_t cols, rows;
};

/* Neither end is the terminal of whoever opens it. @returns 0, or an errno */
int terminal_open(const struct terminal_size *size, int *ours, int *programs);

#endif
