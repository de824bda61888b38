/* What the host types: it waits in the session until its program takes it, and is credited then. */
#ifndef SESSION_INPUT_H
#define SESSION_INPUT_H

#include "session.h"

/* What must take more before anything goes on, or -1: nothing waits. */
int awaited_input(const struct session *session);
void write_input(struct session *session);
void say_input_credit(struct session *session);

#endif
