#ifndef CLOISTER_STREAMS_H
#define CLOISTER_STREAMS_H

#include <stdint.h>

/* CLOISTER_ARGS_*: whether there is a stdin at all. */
void streams_set_args(uint32_t flags);

#endif
