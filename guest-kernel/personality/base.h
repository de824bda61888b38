/*
 * What every file of the personality may use: sizes, errors, and the memory and string functions of lib/.
 * Constants and structures of the Linux ABI come from Linux' own exported headers (<asm/...>, <linux/...>), which
 * need no C library; nothing of them is copied by hand.
 */
#ifndef PERSONALITY_BASE_H
#define PERSONALITY_BASE_H

#include <asm/errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/abi.h"
#include "../include/platform.h"
#include "../lib/format.h"
#include "../lib/string.h"

#define PAGE_BYTES 4096ul
#define PAGES_OF(bytes) (((bytes) + PAGE_BYTES - 1) / PAGE_BYTES)
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define NS_PER_SECOND 1000000000ul
#define TICKS_PER_SECOND 100u /* AT_CLKTCK: what times and /proc count in */

/* Never seen by the program: restart the system call once signals are dealt with, or end it with EINTR. */
#define ERESTARTSYS 512

static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

#endif
