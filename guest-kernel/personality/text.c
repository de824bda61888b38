#include "text.h"

void text_add_bytes(struct text *text, const char *bytes, size_t count) {
  count = min_size(count, TEXT_BYTES - text->length);
  memcpy(text->bytes + text->length, bytes, count);
  text->length += count;
}

void text_add(struct text *text, const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (length > 0) text_add_bytes(text, line, min_size((size_t)length, sizeof line - 1));
}
