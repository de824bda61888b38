#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Whoever makes a tree of sockets need not fill our caller's screen. */
#define LEFT_OUT_SAID 8

static unsigned long left_out;

/* Names come from inside: no control character of theirs reaches a terminal. */
static void say_name(const char *name)
{
	for (; *name != '\0'; name++)
		fputc((unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name, stderr);
}

int fail(const char *what, const char *why)
{
	if (why == NULL)
		why = strerror(errno);
	say_name(what);
	fprintf(stderr, ": %s\n", why);
	return 1;
}

void leave_out(const char *name, const char *why)
{
	if (left_out++ >= LEFT_OUT_SAID)
		return;
	fputs("left out: ", stderr);
	fail(name, why);
}

void leave_out_total(void)
{
	if (left_out > LEFT_OUT_SAID)
		fprintf(stderr, "left out: %lu in all\n", left_out);
}

int tool_main(int argc, char **argv)
{
	left_out = 0;
	if (argc > 0 && strcmp(argv[0], "copy-out") == 0)
		return copy_out(argc, argv);
	if (argc > 0 && strcmp(argv[0], "copy-in") == 0)
		return copy_in(argc, argv);
	if (argc > 0 && strcmp(argv[0], "processes") == 0)
		return processes();
	return fail("tool", "copy-out [-L] [-p] PATH | copy-in [-p] PATH | processes");
}
