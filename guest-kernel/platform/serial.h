/* The 16550 at port 0x3f8: panics, and the program's streams where there is no virtio-console. */
#ifndef CLOISTER_SERIAL_H
#define CLOISTER_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

void serial_write(const void *bytes, size_t count);
/* From now on received bytes interrupt. */
void serial_enable_input(void);
void serial_interrupted(void);
/* The next received byte, or -1. */
int serial_read(void);

#endif
