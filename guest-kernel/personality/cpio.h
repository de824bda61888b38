#ifndef PERSONALITY_CPIO_H
#define PERSONALITY_CPIO_H

#include "base.h"

/* Builds the file tree from an archive that stays where it is. Whatever is wrong with it ends the VM with the reason. */
void cpio_unpack(const uint8_t *archive, size_t size);

#endif
