/* The virtio-console with its ports (virtio 1.2 section 5.3), and the streams and messages they carry (abi.h). */
#ifndef CLOISTER_CONSOLE_H
#define CLOISTER_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern volatile uint8_t *console_registers;
void console_init(void);
/* An interrupt came: takes what the host sent on the control queue and the control port. */
void console_interrupted(void);

/* The host has opened this port to us. */
bool console_has_port(unsigned port);
bool console_has_control(void);
/* There is a device, and it has yet to name its first port. */
bool console_starting(void);
/* It has room for a control port. */
bool console_expects_control(void);
/* A message on the control port. Waits for room. */
void console_send(unsigned type, const void *body, size_t length);
/* Bytes to a port, all of them queued; stops early when `stop` says so. How many; -1: the bytes are not readable. */
int64_t console_write(unsigned port, const void *bytes, size_t count, bool (*stop)(void));
/* Waits until the host has taken everything. */
void console_flush(void);

/* Standard input. Whether bytes arrived that are not read yet. */
bool console_input_waiting(void);
/* Copies at most `count`; -1: not writable. */
int64_t console_read_input(void *bytes, size_t count);
/* Lets new input interrupt, for a sleeper. */
void console_want_input(bool wanted);
/* The host closed port 0. */
bool console_input_closed(void);

#endif
