#include "groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* What the kernel gives to nobody once its numbers have come round. kernel/pid.c, RESERVED_PIDS */
	PIDS_RESERVED = 300,
	/* Of what there is, the part that all programs leave to the kernel's own threads... */
	KERNELS_PART = 16,
	/* ...and that the main one leaves to those beside it. */
	BESIDES_PART = 8,
	/* As much as either takes at most. */
	PART_MAX = 64,
};

static const char *const paths[GROUPS] = {
	[GROUP_ALL] = "/sys/fs/cgroup/programs",
	[GROUP_MAIN] = "/sys/fs/cgroup/programs/main",
	[GROUP_BESIDE] = "/sys/fs/cgroup/programs/beside",
};

static int directories[GROUPS] = { -1, -1, -1 };
static bool limited;

static bool write_at(int directory, const char *name, const char *text)
{
	int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* The number behind the first of these characters, or at the very beginning. @returns 0 when it cannot be known */
static long read_number(const char *path, char behind)
{
	char text[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t count = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	const char *at = text;

	if (fd >= 0)
		close(fd);
	text[count > 0 ? count : 0] = '\0';
	if (behind != '\0')
		at = strchr(text, behind);
	return at == NULL ? 0 : strtol(at + (behind != '\0'), NULL, 10);
}

static long smaller(long a, long b)
{
	return a < b ? a : b;
}

static bool allow(enum group group, long processes)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", processes);
	return write_at(directories[group], "pids.max", text);
}

static bool limit(void)
{
	long threads = read_number("/proc/sys/kernel/threads-max", '\0');
	long numbers = read_number("/proc/sys/kernel/pid_max", '\0');
	/* How many run, and how many there are, `1/27`: the kernel's own, and we. proc(5) */
	long there = read_number("/proc/loadavg", '/');
	long left = smaller(threads, numbers - PIDS_RESERVED) - there;

	if (there <= 0 || left < BESIDES_PART)
		return false;
	left -= smaller(left / KERNELS_PART, PART_MAX);
	return write_at(directories[GROUP_ALL], "../cgroup.subtree_control", "+pids") &&
		write_at(directories[GROUP_ALL], "cgroup.subtree_control", "+pids") &&
		allow(GROUP_ALL, left) && allow(GROUP_MAIN, left - smaller(left / BESIDES_PART, PART_MAX));
}

static void close_all(void)
{
	for (int group = 0; group < GROUPS; group++) {
		if (directories[group] >= 0)
			close(directories[group]);
		directories[group] = -1;
	}
}

void groups_open(void)
{
	for (int group = 0; group < GROUPS; group++) {
		if (mkdir(paths[group], 0755) == 0 || errno == EEXIST)
			directories[group] = open(paths[group], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (directories[group] < 0) {
			close_all();
			return;
		}
	}
	limited = limit();
}

bool groups_are_limited(void)
{
	return limited;
}

int group_directory(enum group group)
{
	return directories[group];
}

bool group_join(enum group group)
{
	return write_at(directories[group], "cgroup.procs", "0");
}
