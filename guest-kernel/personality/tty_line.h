/* The line being typed at the program's own terminal, and those that wait to be read. */
#ifndef PERSONALITY_TTY_LINE_H
#define PERSONALITY_TTY_LINE_H

#include <asm/termbits.h>

#include "tty.h"

extern struct termios tty_settings;

/* What was typed for a line becomes readable as it is, and the other way round. */
void line_set_mode(const struct termios *wanted);

void line_typed(char byte);
/* What does not fit stays with the host, unless it could only ever end by being typed away. */
bool line_has_room(void);
/* What was typed so far counts as a line. */
void line_end(void);
void line_flush(void);

/* Bytes that can be read. */
size_t line_waiting(void);
/* A line, or as much of it as was asked for; else whatever there is. */
ssize_t line_take(char *bytes, size_t count);

#endif
