/* Output of the program's own terminal; tty_write is in tty.h. */
#ifndef PERSONALITY_TTY_OUTPUT_H
#define PERSONALITY_TTY_OUTPUT_H

#include "tty.h"

/* Echoes, unless the program itself is writing. */
void tty_show(const char *bytes, size_t count);
void tty_ring(void);

/* Where the cursor is, from 0, and where a tab would bring it. */
uint32_t tty_column(void);
uint32_t tty_after_tab(uint32_t place);

/* A newline goes out with a carriage return before it. */
bool tty_adds_returns(void);

#endif
