#include "memory-kills.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* A program that fills the log faster than we read it need not hold us up. */
	RECORDS_MOST = 4096,
	KERNEL_PRIORITIES = 8,
};

static int kernel_log = -1;

void memory_kills_watch(void)
{
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kernel_log >= 0)
		lseek(kernel_log, 0, SEEK_END);
}

/* One read is one record; before its text stand its priority and facility. Documentation/ABI/testing/dev-kmsg */
static bool tells_of_kill(const char *record)
{
	return strtoul(record, NULL, 10) < KERNEL_PRIORITIES && strstr(record, "ut of memory") != NULL &&
		strstr(record, ": Killed process ") != NULL;
}

bool memory_was_short(void)
{
	char record[2048];
	bool found = false;

	for (int i = 0; kernel_log >= 0 && i < RECORDS_MOST; i++) {
		ssize_t count = read(kernel_log, record, sizeof record - 1);

		/* EPIPE: the next ones are gone, and it goes on with those after. */
		if (count < 0 && errno != EPIPE && errno != EINTR)
			break;
		record[count > 0 ? count : 0] = '\0';
		found |= tells_of_kill(record);
	}
	return found;
}
