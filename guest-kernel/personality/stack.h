#ifndef PERSONALITY_STACK_H
#define PERSONALITY_STACK_H

#include "elf.h"

/*
 * Makes the program's stack, mapped where nothing lies below it, with arguments, environment and auxiliary vector.
 * The stack pointer to start with, or -ENOMEM, -E2BIG.
 */
int64_t stack_build(const struct program_args *args, const char *executable, const struct image *image);

#endif
