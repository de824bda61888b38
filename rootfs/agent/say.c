#include "say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

void say(const char *what, int error)
{
	char line[256];
	int length = snprintf(line, sizeof line, "agent: %s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");

	if (length > (int)sizeof line - 1)
		length = sizeof line - 1;
	(void)!write(STDERR_FILENO, line, (size_t)length);
}

void give_up(const char *what, int error)
{
	say(what, error);
	if (getpid() != 1)
		exit(1);
	/* A kernel that cannot switch off would halt, and the machine would stay. */
	reboot(access("/sys/firmware/acpi", F_OK) == 0 ? RB_POWER_OFF : RB_AUTOBOOT);
	for (;;)
		pause();
}
