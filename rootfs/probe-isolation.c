/* What a program sees of the machine and of the host from where it runs: one JSON object. README.md has its keys. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

/* Length read, or -1; always ends with a zero byte. */
static ssize_t read_file(const char *path, char *into, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;

	if (fd < 0)
		return -1;
	while (length < size - 1) {
		ssize_t count = read(fd, into + length, size - 1 - length);

		if (count <= 0)
			break;
		length += (size_t)count;
	}
	close(fd);
	into[length] = '\0';
	return (ssize_t)length;
}

static bool is_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static void kernel(void)
{
	struct utsname name;
	bool known = uname(&name) == 0;

	text_member("sysname", known ? name.sysname : NULL);
	text_member("release", known ? name.release : NULL);
	text_member("version", known ? name.version : NULL);
	text_member("machine", known ? name.machine : NULL);
	text_member("hostname", known ? name.nodename : NULL);
}

static void processes(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int count = 0, others = 0;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (!is_number(entry->d_name))
			continue;
		count++;
		others += atoi(entry->d_name) != getpid();
	}
	if (proc != NULL)
		closedir(proc);
	/* A /proc without even ourselves is no process file system. */
	number_member("processes", count > 0 ? count : -1);
	truth_member("otherProcesses", count > 0 ? others > 0 : -1);
	number_member("pid", getpid());
	number_member("uid", getuid());
}

static char file_buffer[1 << 16];

static void mounts(void)
{
	struct list types = { .count = 0 };
	ssize_t length = read_file("/proc/self/mounts", file_buffer, sizeof(file_buffer));
	int count = 0;

	for (char *line = strtok(file_buffer, "\n"); length > 0 && line != NULL; line = strtok(NULL, "\n")) {
		char type[64];

		count++;
		if (sscanf(line, "%*s %*s %63s", type) == 1)
			list_add(&types, type);
	}
	number_member("mounts", length < 0 ? -1 : count);
	list_member("filesystems", &types, length >= 0);
	length = readlink("/proc/self/ns/mnt", file_buffer, sizeof(file_buffer) - 1);
	file_buffer[length < 0 ? 0 : length] = '\0';
	text_member("mountNamespace", length < 0 ? NULL : file_buffer);
}

/* 1 when it can be opened that way, 0 when refused, -1 when there is no such file. */
static int can_open(const char *path, int flags)
{
	struct stat status;
	int fd;

	if (stat(path, &status) != 0)
		return -1;
	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	close(fd);
	return 1;
}

static void kernel_log(void)
{
	enum { SYSLOG_ACTION_READ_ALL = 3 };
	long count = syscall(SYS_syslog, SYSLOG_ACTION_READ_ALL, file_buffer, 1024);

	truth_member("kernelLogSyscall", count >= 0 ? 1 : errno == ENOSYS ? -1 : 0);
	truth_member("kernelLogDevice", can_open("/dev/kmsg", O_RDONLY) == 1);
}

static void privileges(void)
{
	/* As in linux/capability.h, which musl-gcc does not find: version 3, this process, low and high words. */
	struct { uint32_t version; int pid; } header = { 0x20080522, 0 };
	struct { uint32_t effective, permitted, inheritable; } data[2] = { { 0 } };
	int seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);

	if (syscall(SYS_capget, &header, data) == 0) {
		unsigned long long effective = (unsigned long long)data[1].effective << 32 | data[0].effective;
		char digits[20];

		snprintf(digits, sizeof(digits), "%016llx", effective);
		text_member("capabilities", digits);
		number_member("capabilityCount", __builtin_popcountll(effective));
	} else {
		text_member("capabilities", NULL);
		number_member("capabilityCount", -1);
	}
	text_member("seccomp", seccomp == 0 ? "none" : seccomp == 1 ? "strict" : seccomp == 2 ? "filter" : NULL);
	truth_member("noNewPrivileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* Null, zero, full, the random ones; tty, console, ptmx, pseudo-terminals: what every program may have. devices.txt */
static bool is_harmless(dev_t device)
{
	unsigned number = minor(device);

	switch (major(device)) {
	case 1: return number == 3 || number == 5 || (number >= 7 && number <= 9);
	case 5: return number <= 2;
	default: return major(device) >= 136 && major(device) <= 143;
	}
}

static void devices(void)
{
	struct list others = { .count = 0 };
	DIR *dev = opendir("/dev");
	struct dirent *entry;

	while (dev != NULL && (entry = readdir(dev)) != NULL) {
		struct stat status;
		char path[300];

		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (lstat(path, &status) != 0)
			continue;
		if (S_ISBLK(status.st_mode) || (S_ISCHR(status.st_mode) && !is_harmless(status.st_rdev)))
			list_add(&others, entry->d_name);
	}
	list_member("otherDevices", &others, dev != NULL);
	if (dev != NULL)
		closedir(dev);
}

/* Opened for writing, never written: the kernel decides at open whether we might. */
static void sysctls(void)
{
	static const char *const paths[] = {
		"/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/printk",
		"/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches",	"/proc/sys/vm/overcommit_memory",
		"/proc/sys/fs/file-max",	 "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger",
	};
	struct list writable = { .count = 0 };
	bool known = false;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int answer = can_open(paths[i], O_WRONLY);

		known |= answer >= 0;
		if (answer == 1)
			list_add(&writable, paths[i]);
	}
	list_member("writableSysctls", &writable, known);
}

static void network(void)
{
	struct list names = { .count = 0 };
	ssize_t length = read_file("/proc/net/dev", file_buffer, sizeof(file_buffer));

	for (char *line = strtok(file_buffer, "\n"); length > 0 && line != NULL; line = strtok(NULL, "\n")) {
		char *colon = strchr(line, ':');

		if (colon == NULL)
			continue;
		*colon = '\0';
		list_add(&names, line + strspn(line, " "));
	}
	list_member("interfaces", &names, length >= 0);
}

static void machine(void)
{
	struct sysinfo info;
	cpu_set_t cpus;
	bool known = sysinfo(&info) == 0;
	char id[64];

	number_member("memoryBytes", known ? (int64_t)info.totalram * info.mem_unit : -1);
	number_member("freeMemoryBytes", known ? (int64_t)info.freeram * info.mem_unit : -1);
	number_member("uptimeSeconds", known ? (int64_t)info.uptime : -1);
	number_member("cpus", sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : -1);
	if (read_file("/proc/sys/kernel/random/boot_id", id, sizeof(id)) > 0) {
		id[strcspn(id, "\n")] = '\0';
		text_member("bootId", id);
	} else {
		text_member("bootId", NULL);
	}
}

int isolation(void)
{
	putchar('{');
	kernel();
	processes();
	mounts();
	kernel_log();
	privileges();
	devices();
	sysctls();
	network();
	machine();
	puts("}");
	return 0;
}
