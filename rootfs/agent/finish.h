/* The end of everything that was started: killed, collected, and what it wrote is on the disks. */
#ifndef FINISH_H
#define FINISH_H

#include <stdbool.h>

/* @param asked the host wants to hear of it (DOWN); otherwise the main program ended, and its EXIT says so */
void finish_begin(bool asked);
bool finishing(void);
bool finished(void);
/* Goes on with it. @param alone nobody is left to be collected */
void finish_serve(bool alone);
/* Tells the host, after all that the programs had to say. */
void finish_say(void);
/* Milliseconds until it is due, or -1. */
int finish_due(void);

#endif
