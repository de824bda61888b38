/* Programs of ours that every guest has, whatever its files are: rootfs/tool. */
#ifndef TOOLS_H
#define TOOLS_H

#include <stdbool.h>

bool is_tool(const char *name);
/* In a process of its own, with its streams. */
__attribute__((noreturn)) void run_tool(char **argv);

#endif
