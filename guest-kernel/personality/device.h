#ifndef PERSONALITY_DEVICE_H
#define PERSONALITY_DEVICE_H

/* Adds to /dev what the tree lacks there. */
void devices_init(void);

#endif
