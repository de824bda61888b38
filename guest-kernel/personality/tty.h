/* The program's own terminal: the line discipline between what is typed and what is read. termios(3) */
#ifndef PERSONALITY_TTY_H
#define PERSONALITY_TTY_H

#include "platform.h"

/* The three streams are one terminal of the program's own (CLOISTER_ARGS_TTY). */
bool tty_active(void);
void tty_start(void);

/* As read(2) on a terminal: a line, or what VMIN and VTIME say. -ERESTARTSYS when a signal comes first. */
ssize_t tty_read(void *bytes, size_t count, bool block);
ssize_t tty_write(const void *bytes, size_t count);
bool tty_readable(void);
int tty_ioctl(unsigned request, uint64_t argument);

/* Takes what was typed since: echo, lines, and the signals that keys send. Never blocks. */
void tty_take_input(void);

#endif
