/*
 * Control groups for programs: one around all of them, which the freezer holds, and in it one for the main program and all
 * that it starts, one for whatever the host runs beside it. None may have so many processes that the next has no room:
 * who looks into a guest does so because of what its program does. cgroup-v2.rst
 */
#ifndef GROUPS_H
#define GROUPS_H

#include <stdbool.h>

enum group { GROUP_ALL, GROUP_MAIN, GROUP_BESIDE, GROUPS };

/* Once, when /sys/fs/cgroup and /proc are there. */
void groups_open(void);
/* Whether processes are limited: it takes the pids controller. */
bool groups_are_limited(void);
/* A directory, or -1: all of them are there or none. */
int group_directory(enum group group);
/* In a child: puts itself into it. */
bool group_join(enum group group);

#endif
