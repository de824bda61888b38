/* Text that is put together piece by piece, for the files of /proc. */
#ifndef PERSONALITY_TEXT_H
#define PERSONALITY_TEXT_H

#include "base.h"

#define TEXT_BYTES 4064u

struct text {
  size_t length;
  char bytes[TEXT_BYTES];
};

/* What does not fit is dropped. */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const char *bytes, size_t count);

#endif
