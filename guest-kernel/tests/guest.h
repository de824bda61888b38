/* For test guests: text to stdout, and the verdict. */
#ifndef CLOISTER_TEST_GUEST_H
#define CLOISTER_TEST_GUEST_H

#include "abi.h"
#include "format.h"
#include "platform.h"
#include "string.h"

static inline void __attribute__((format(printf, 1, 2))) print(const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  platform_stream_write(1, text, strlen(text));
}

static inline void __attribute__((noreturn)) finish(const char *name, bool passed) {
  print("%s %s\n", passed ? "PASS" : "FAIL", name);
  platform_exit(!passed, 0, CLOISTER_EXIT_PROGRAM);
}

#endif
