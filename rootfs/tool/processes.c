/* What runs here, from /proc, one JSON object a line. proc_pid_stat(5), proc_pid_cmdline(5) */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define COMMAND_MAX 4096

static ssize_t read_file(const char *pid, const char *name, char *into, size_t size)
{
	char path[64];
	ssize_t length = 0, count;
	int fd;

	snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (length < (ssize_t)size - 1 && (count = read(fd, into + length, size - 1 - (size_t)length)) > 0)
		length += count;
	close(fd);
	into[length] = '\0';
	return length;
}

/* As it is but for what JSON forbids: names and arguments are bytes, and whoever reads them decides what text they are. */
static void text(const char *from, size_t length)
{
	putchar('"');
	for (size_t at = 0; at < length; at++) {
		unsigned char byte = (unsigned char)from[at];

		if (byte == '"' || byte == '\\')
			printf("\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			printf("\\u%04x", byte);
		else
			putchar(byte);
	}
	putchar('"');
}

/* The user's name in /etc/passwd here, or its number. passwd(5) */
static void user(unsigned uid)
{
	/* Whatever somebody put there: a pipe must not keep us waiting. */
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char line[512], number[16];

	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		char *password = strchr(line, ':'), *id = password == NULL ? NULL : strchr(password + 1, ':');

		if (id == NULL || !isdigit((unsigned char)id[1]) || strtoul(id + 1, NULL, 10) != uid)
			continue;
		text(line, (size_t)(password - line));
		fclose(file);
		return;
	}
	if (file != NULL)
		fclose(file);
	snprintf(number, sizeof number, "%u", uid);
	text(number, strlen(number));
}

/* The arguments with a space between; a kernel thread has none, and its name stands in brackets. */
static void command(const char *pid, const char *name, size_t name_length)
{
	static char line[COMMAND_MAX];
	ssize_t length = read_file(pid, "cmdline", line, sizeof line);

	while (length > 0 && line[length - 1] == '\0')
		length--;
	if (length <= 0) {
		length = snprintf(line, sizeof line, "[%.*s]", (int)name_length, name);
	} else {
		for (ssize_t at = 0; at < length; at++)
			if (line[at] == '\0')
				line[at] = ' ';
	}
	text(line, (size_t)length);
}

/* One that ends while it is looked at is left out. */
static void row(const char *pid, unsigned long long ticks_second, long page)
{
	static char line[4096];
	unsigned long long user_ticks, system_ticks;
	const char *name, *end;
	unsigned uid;
	long pages;
	char state;
	int parent;

	/* Not the owner of its directory, which is root for one that hides its memory. */
	if (read_file(pid, "status", line, sizeof line) <= 0 || (end = strstr(line, "\nUid:")) == NULL || sscanf(end + 5, "%*u %u", &uid) != 1)
		return;
	if (read_file(pid, "stat", line, sizeof line) <= 0)
		return;
	name = strchr(line, '(');
	end = strrchr(line, ')');
	if (name == NULL || end == NULL ||
	    sscanf(end + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %ld", &state, &parent,
		   &user_ticks, &system_ticks, &pages) != 5)
		return;
	printf("{\"pid\":%s,\"ppid\":%d,\"uid\":%u,\"user\":", pid, parent, uid);
	user(uid);
	printf(",\"state\":\"%c\",\"cpuTimeNs\":%llu,\"residentBytes\":%llu,\"command\":", state,
	       (user_ticks + system_ticks) * (1000000000 / ticks_second), (unsigned long long)pages * (unsigned long long)page);
	command(pid, name + 1, (size_t)(end - name - 1));
	puts("}");
}

/* This program, and what started it for no other purpose; a process 1 does more than that. */
static int is_ours(int pid)
{
	return pid == getpid() || (pid == getppid() && pid != 1);
}

int processes(void)
{
	long ticks = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (proc == NULL)
		return fail("/proc", NULL);
	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) && !is_ours(atoi(entry->d_name)))
			row(entry->d_name, (unsigned long long)ticks, page);
	closedir(proc);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : fail("standard output", NULL);
}
