/* One more process, in the control group that it belongs to. */
#ifndef SPAWN_H
#define SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "groups.h"
#include "protocol.h"

struct spawn {
	const char *file;      /* looked up in PATH of `env` without a slash */
	char **argv, **env;
	const char *directory;
	uint32_t uid, gid;
	unsigned group_count;
	gid_t groups[GROUPS_MAX];
	int fds[3];            /* the program's streams */
	bool terminal;         /* they are one */
	enum group group;
	bool tool;             /* of ours, named by argv[0], instead of a file */
	int step;              /* enum start_step: how far it got that failed */
};

/* @returns 0 when the program runs, or an errno */
int spawn_program(struct spawn *spawn, pid_t *pid);

#endif
