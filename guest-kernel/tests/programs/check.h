/* For programs that test the unikernel from inside; each passes on Linux too. `PASS name` or `FAIL file:line`. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      printf("FAIL %s:%d: %s (errno %d %s)\n", __FILE__, __LINE__, #condition, errno, strerror(errno)); \
      exit(1); \
    } \
  } while (0)
#define PASS(name) puts("PASS " name)

#endif
