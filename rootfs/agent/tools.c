#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tool_main(int argc, char **argv);

static const char *const names[] = { "copy-in", "copy-out", "processes" };

bool is_tool(const char *name)
{
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

void run_tool(char **argv)
{
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	exit(tool_main(argc, argv));
}
