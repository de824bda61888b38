/* Messages on the control port (abi.h). */
#ifndef CLOISTER_CONTROL_H
#define CLOISTER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct program_args;

/* Takes the memory that ARGS will need. */
void control_init(void);
/* The port is there: say so. */
void control_opened(void);
/* Bytes from the host, in whatever pieces. */
void control_received(const uint8_t *bytes, size_t count);
/* The body of the ARGS message once it came, with a NUL after it, else NULL; and the whole area it lies in. */
uint8_t *control_args(size_t *length, size_t *area);
/* Where the host wants the program to stand still (HOLD): says that it does, and comes back on RELEASE. */
void control_hold(void);
/* How many bytes of standard input there are in all, once the host knows; UINT64_MAX until then. */
uint64_t control_input_total(void);

#endif
