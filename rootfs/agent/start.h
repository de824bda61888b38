/* START: from what the host wrote to a program with its streams. */
#ifndef START_H
#define START_H

#include "wire.h"

/*
 * Answers STARTED, with an errno if it did not work.
 * @param refusal an errno for which it is not even tried, or 0
 * @returns false when the frame breaks the protocol
 */
bool start(uint16_t id, struct reader *payload, int refusal);

#endif
