#include "memory-kills.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"

/* In /proc/vmstat, where the kernel counts events at all. */
static unsigned long long count_kills(void)
{
	static char text[16 * 1024];
	int fd = openat(boot_proc(), "vmstat", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t count;

	if (fd < 0)
		return 0;
	while (length < sizeof text - 1 && (count = read(fd, text + length, sizeof text - 1 - length)) > 0)
		length += (size_t)count;
	close(fd);
	text[length] = '\0';
	const char *line = strstr(text, "\noom_kill ");

	return line == NULL ? 0 : strtoull(line + strlen("\noom_kill "), NULL, 10);
}

bool memory_was_short(void)
{
	static unsigned long long known;
	unsigned long long count = count_kills();
	bool grown = count > known;

	known = count;
	return grown;
}
