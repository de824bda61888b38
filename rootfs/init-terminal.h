/* A terminal of the program's own: init has its other end, and passes bytes and sizes between it and the caller. */
#ifndef INIT_TERMINAL_H
#define INIT_TERMINAL_H

/* The end of a new pseudo-terminal that is ours, or a negative errno. pty(7) */
long terminal_open(void);
/* In the child, which leads its session: the terminal becomes its own, and its three streams. A negative errno, or 0. */
long terminal_take(long master);
/*
 * Until `program` ends: descriptor 0 to the terminal, the terminal to descriptor 1, and from descriptor 2 its sizes, a
 * struct winsize each. @returns its status as wait4(2) has it
 */
int terminal_relay(long master, long program);

#endif
