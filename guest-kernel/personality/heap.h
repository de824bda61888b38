/* Kernel memory by the byte: zeroed, freed with the size it was asked for. */
#ifndef PERSONALITY_HEAP_H
#define PERSONALITY_HEAP_H

#include "base.h"

void *heap_alloc(size_t size);
void heap_free(void *block, size_t size);

#endif
