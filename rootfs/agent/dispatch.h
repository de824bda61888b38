/* What each frame of the host leads to, and the agent's own state: what of it a snapshot finds. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "wire.h"

/* @returns false when the frame breaks the protocol: the connection is of no use any more */
bool handle_frame(uint16_t type, uint16_t session, struct reader payload);
void say_hello(void);
void connection_lost(void);
/* Everything stands still for a snapshot: nothing is read from programs, nothing is said. */
bool is_held(void);

#endif
