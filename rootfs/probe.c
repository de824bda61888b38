/*
 * What a program sees from inside a level, and how fast it runs there. `cloister compare` runs this same file in
 * every level; README.md documents each verb and the JSON that `isolation` prints.
 * It must run on a small guest kernel too: one process, one thread, common system calls, and whatever is missing
 * is reported as null.
 */
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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int64_t monotonic_ns(void)
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

/* ---- JSON ---- */

static bool first_member = true;

static void key(const char *name)
{
	printf("%s\"%s\":", first_member ? "" : ",", name);
	first_member = false;
}

static void text_value(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void text_member(const char *name, const char *text)
{
	key(name);
	if (text == NULL)
		fputs("null", stdout);
	else
		text_value(text);
}

/* Negative stands for "cannot be known here". */
static void number_member(const char *name, int64_t value)
{
	key(name);
	if (value < 0)
		fputs("null", stdout);
	else
		printf("%lld", (long long)value);
}

static void truth_member(const char *name, int value)
{
	key(name);
	fputs(value < 0 ? "null" : value ? "true" : "false", stdout);
}

/* A growing JSON array of distinct strings. */
struct list {
	char items[64][64];
	int count;
};

static void list_add(struct list *list, const char *text)
{
	for (int i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return;
	if (list->count < 64)
		snprintf(list->items[list->count++], 64, "%s", text);
}

static void list_member(const char *name, const struct list *list, bool known)
{
	key(name);
	if (!known) {
		fputs("null", stdout);
		return;
	}
	putchar('[');
	for (int i = 0; i < list->count; i++) {
		if (i > 0)
			putchar(',');
		text_value(list->items[i]);
	}
	putchar(']');
}

/* ---- what can be seen ---- */

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

static void devices(void)
{
	DIR *dev = opendir("/dev");
	struct dirent *entry;
	int characters = 0, blocks = 0;

	while (dev != NULL && (entry = readdir(dev)) != NULL) {
		struct stat status;
		char path[300];

		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (lstat(path, &status) != 0)
			continue;
		characters += S_ISCHR(status.st_mode) != 0;
		blocks += S_ISBLK(status.st_mode) != 0;
	}
	number_member("characterDevices", dev == NULL ? -1 : characters);
	number_member("blockDevices", dev == NULL ? -1 : blocks);
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

static int isolation(void)
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

/* ---- what an operation costs ---- */

static const char *own_file;
static char scratch[64];

static void multiply(int64_t count)
{
	static uint64_t state = 1;

	/* A chain of dependent multiplications: neither the compiler nor the processor can run ahead. */
	for (; count > 0; count--) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(state));
	}
}

static void get_parent(int64_t count)
{
	for (; count > 0; count--)
		syscall(SYS_getppid);
}

static void write_null(int64_t count)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	for (; fd >= 0 && count > 0; count--)
		if (write(fd, scratch, sizeof(scratch)) != sizeof(scratch))
			_exit(4);
	if (fd < 0)
		_exit(4);
	close(fd);
}

static void read_small(int64_t count)
{
	for (; count > 0; count--) {
		int fd = open(own_file, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || read(fd, scratch, sizeof(scratch)) != sizeof(scratch))
			_exit(4);
		close(fd);
	}
}

static const struct workload {
	const char *name;
	void (*run)(int64_t count);
} workloads[] = {
	{ "cpu", multiply },
	{ "syscall", get_parent },
	{ "write", write_null },
	{ "read", read_small },
};

/*
 * Doubles the count until a round takes long enough, and tells of that round only: the others warmed up. The round
 * before must have been long too, since one that was interrupted for a while is long with hardly an operation in it.
 */
static int cost(int64_t target_ns)
{
	putchar('{');
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		int64_t count = 64, begin, elapsed = 0, before;

		for (;; count *= 2) {
			before = elapsed;
			begin = monotonic_ns();
			workloads[i].run(count);
			elapsed = monotonic_ns() - begin;
			if (elapsed >= target_ns && before >= target_ns / 4)
				break;
		}
		key(workloads[i].name);
		printf("{\"operations\":%lld,\"ns\":%lld}", (long long)count, (long long)elapsed);
	}
	puts("}");
	return 0;
}

/*
 * A steady neighbour: the same unit of work over and over, and every interval how many units it took how long.
 * Ends when nobody reads any more.
 */
static int work(int64_t interval_ns)
{
	for (;;) {
		int64_t begin = monotonic_ns(), elapsed, units = 0;

		do {
			multiply(100000);
			get_parent(8);
			units++;
			elapsed = monotonic_ns() - begin;
		} while (elapsed < interval_ns);
		if (printf("%lld %lld\n", (long long)units, (long long)elapsed) < 0 || fflush(stdout) != 0)
			return 0;
	}
}

/* Much of what programs ask a kernel for, in turns, while somebody traces: memory, files, time, entropy, output. */
static int load(int64_t length_ns)
{
	int64_t begin = monotonic_ns();

	for (int round = 0; monotonic_ns() - begin < length_ns; round++) {
		struct stat status;
		void *block = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int fd = open("/tmp/load", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (block != MAP_FAILED) {
			memset(block, round, 1 << 16);
			munmap(block, 1 << 16);
		}
		if (fd >= 0) {
			(void)!write(fd, scratch, sizeof(scratch));
			lseek(fd, 0, SEEK_SET);
			(void)!read(fd, scratch, sizeof(scratch));
			fstat(fd, &status);
			close(fd);
		}
		unlink("/tmp/load");
		stat(own_file, &status);
		syscall(SYS_getrandom, scratch, sizeof(scratch), 0);
		get_parent(1);
		multiply(100000);
		if (printf("round %d\n", round) < 0 || fflush(stdout) != 0)
			return 0;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return 0;
}

/* ---- how fast ---- */

static void print_ns(int64_t nanoseconds)
{
	printf("%lld\n", (long long)nanoseconds);
}

static int cpu(long millions)
{
	int64_t begin = monotonic_ns();

	multiply((int64_t)millions * 1000000);
	print_ns(monotonic_ns() - begin);
	return 0;
}

static int system_calls(long count)
{
	int64_t begin = monotonic_ns();

	get_parent(count);
	print_ns(monotonic_ns() - begin);
	return 0;
}

/* One byte a call, all the way to whoever reads our output. */
static int put(long count)
{
	int64_t begin = monotonic_ns();

	for (long i = 0; i < count; i++)
		if (write(STDOUT_FILENO, ".", 1) != 1)
			return 4;
	printf("\n%lld\n", (long long)(monotonic_ns() - begin));
	return 0;
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
		print_ns(started_at);
		return 0;
	}
	if (strcmp(verb, "cpu") == 0)
		return cpu(number);
	if (strcmp(verb, "syscall") == 0)
		return system_calls(number);
	if (strcmp(verb, "put") == 0)
		return put(number);
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
