/* A small printf into a buffer: %s %.*s %c %d %i %u %x %X %p %%, widths, `0` and `-`, and l, ll, z, h sizes. */
#ifndef CLOISTER_FORMAT_H
#define CLOISTER_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* As in C: what does not fit is dropped, the result always ends in NUL (if size > 0), the full length is returned. */
int vsnprintf(char *buffer, size_t size, const char *format, va_list args);
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
