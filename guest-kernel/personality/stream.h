#ifndef PERSONALITY_STREAM_H
#define PERSONALITY_STREAM_H

/* Makes descriptors 0, 1 and 2. */
void streams_open(void);

#endif
