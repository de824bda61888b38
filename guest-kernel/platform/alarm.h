#ifndef CLOISTER_ALARM_H
#define CLOISTER_ALARM_H

/* A timer interrupt came: it was the alarm, or a step on the way to it. */
void alarm_interrupted(void);

#endif
