/*
 * What a program sees from inside a level, and how fast it runs there. `cloister compare` runs this same file in
 * every level; README.md documents each verb and the JSON that `isolation` prints.
 * It must run on a small guest kernel too: one process, one thread, common system calls, and whatever is missing
 * is reported as null.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

const char *own_file;

int64_t monotonic_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return -1;
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t started_at;

/* Before main and before every other constructor. */
__attribute__((constructor(101))) static void note_start(void)
{
	started_at = monotonic_ns();
}

/* Says so and stays, so that its memory can be measured at rest. */
static int hold(void)
{
	char byte;

	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

static int touch(long mib)
{
	const size_t step = 1 << 20;

	for (long done = 0; done < mib; done++) {
		char *block = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (block == MAP_FAILED) {
			fprintf(stderr, "probe: no memory after %ld MiB\n", done);
			return 3;
		}
		for (size_t at = 0; at < step; at += 4096)
			((volatile char *)block)[at] = 1;
	}
	printf("touched %ld MiB\n", mib);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	long number = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

	own_file = argv[0];
	if (strcmp(verb, "isolation") == 0)
		return isolation();
	if (strcmp(verb, "cost") == 0)
		return cost((int64_t)number * 1000000);
	if (strcmp(verb, "work") == 0)
		return work((int64_t)number * 1000000);
	if (strcmp(verb, "load") == 0)
		return load((int64_t)number * 1000000);
	if (strcmp(verb, "start") == 0) {
		printf("%lld\n", (long long)started_at);
		return 0;
	}
	if (strcmp(verb, "cpu") == 0)
		return cpu(number);
	if (strcmp(verb, "syscall") == 0)
		return system_calls(number);
	if (strcmp(verb, "put") == 0)
		return put_bytes(number);
	if (strcmp(verb, "hold") == 0)
		return hold();
	if (strcmp(verb, "touch") == 0)
		return touch(number);
	if (strcmp(verb, "exit") == 0)
		return (int)number;
	fputs("usage: probe isolation | start | cpu MILLIONS | syscall COUNT | cost MS | work INTERVAL_MS | load MS | put COUNT\n"
	      "             | hold | touch MIB | exit STATUS\n",
	      stderr);
	return 2;
}
