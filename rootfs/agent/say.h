/* Words on the console: for whoever looks at the machine's serial port, when the host cannot be told. */
#ifndef SAY_H
#define SAY_H

/* error: an errno, or 0 */
void say(const char *what, int error);
/* Nothing of use can be done any more: says why, and switches the machine off. */
__attribute__((noreturn)) void give_up(const char *what, int error);

#endif
