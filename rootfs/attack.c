/*
 * A bad neighbour: `cloister compare` runs this inside an instance and watches what it does to another one.
 * Every verb ends by itself after its time, and the fork bomb and the memory hog stop at a size that a host without
 * limits survives too: the wall is what is tested, not the host.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MOST = 2000, SPINNERS = 4, MIB = 1 << 20, PAGE = 4096 };

static int64_t deadline;

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int say(const char *what, long number, const char *then)
{
	printf("%s%ld%s\n", what, number, then);
	fflush(stdout);
	return 0;
}

static const char *error_name(int error)
{
	return error == EAGAIN ? "EAGAIN" : error == ENOSYS ? "ENOSYS" : error == ENOMEM ? "ENOMEM" : strerror(error);
}

/* Every process forks as often as it may, and its children do the same. */
static int fork_bomb(void)
{
	struct { int processes, refused, error; } *shared;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 3;
	shared->processes = 1;
	const pid_t first = getpid();

	while (now() < deadline) {
		if (__atomic_load_n(&shared->processes, __ATOMIC_RELAXED) >= PROCESSES_MOST)
			continue;
		pid_t child = fork();

		if (child > 0)
			__atomic_add_fetch(&shared->processes, 1, __ATOMIC_RELAXED);
		if (child < 0) {
			shared->error = errno;
			__atomic_add_fetch(&shared->refused, 1, __ATOMIC_RELAXED);
		}
	}
	if (getpid() != first)
		_exit(0);
	printf("forked %d times", shared->processes - 1);
	if (shared->refused > 0)
		printf(", then refused with %s", error_name(shared->error));
	puts("");
	return 0;
}

/* Fills what it may have, writes to all of it over and over, and at the end wants more. */
static int memory_hog(long mib)
{
	static char *blocks[1 << 16];
	const long most = mib * 4;
	long have = 0;

	for (; have < most && have < (long)(sizeof(blocks) / sizeof(blocks[0])); have++) {
		if (have == mib) {
			say("wrote to ", have, " MiB over and over");
			while (now() < deadline)
				for (long i = 0; i < have && now() < deadline; i++)
					memset(blocks[i], (int)i, MIB);
		}
		blocks[have] = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (blocks[have] == MAP_FAILED) {
			say("no memory after ", have, " MiB");
			return 3;
		}
		memset(blocks[have], 1, MIB);
	}
	say("got ", have, " MiB, and nothing stopped it");
	return 0;
}

/* Computes on as many processors as it is let. */
static int cpu_hog(void)
{
	int spinners = 1;
	pid_t child = 1;

	while (spinners < SPINNERS && (child = fork()) > 0)
		spinners++;
	for (volatile uint64_t state = 1; now() < deadline;)
		for (int i = 0; i < 100000; i++)
			state = state * 6364136223846793005u + 1;
	if (child == 0)
		_exit(0);
	return say("computed in ", spinners, spinners == 1 ? " process, it cannot fork" : " processes");
}

/* Where the guest kernel lies in the program's address space: guest-kernel/lib/link.ld. Linux has nothing there. */
enum { KERNEL_MIB = 4 };
static const uintptr_t KERNEL = 0x7f0000100000;
static sigjmp_buf next_page;

static void skip_page(int signo)
{
	siglongjmp(next_page, signo);
}

/* Whether another kernel answers here than the one described: "RELEASE VERSION", as uname has them. */
static int is_another_kernel(const char *described)
{
	struct utsname here;
	char words[2 * sizeof(here.release)];

	if (uname(&here) != 0 || described == NULL || *here.release == '\0')
		return 0;
	snprintf(words, sizeof(words), "%s %s", here.release, here.version);
	return strcmp(words, described) != 0;
}

/* What root may do to its kernel: have it panic, or restart the machine that it has to itself. */
static void ask_linux_to_end(void)
{
	int trigger = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (trigger >= 0) {
		(void)!write(trigger, "c", 1);
		close(trigger);
	}
	reboot(RB_AUTOBOOT);
}

/*
 * Overwrites all of the kernel that it can reach; a Linux that is not the host's is brought down as root may do it.
 * Without the host's description nothing of that kind is tried.
 */
static int crash_kernel(const char *host_kernel)
{
	volatile long reached = 0;

	signal(SIGSEGV, skip_page);
	signal(SIGBUS, skip_page);
	say("writing over the kernel, at most ", KERNEL_MIB, " MiB");
	for (volatile uintptr_t page = KERNEL; page < KERNEL + (uintptr_t)KERNEL_MIB * MIB; page += PAGE) {
		if (sigsetjmp(next_page, 1) != 0)
			continue;
		memset((void *)page, 0xcc, PAGE);
		reached++;
	}
	if (host_kernel != NULL && is_another_kernel(host_kernel))
		ask_linux_to_end();
	return say("wrote over ", reached, " pages, and the kernel still answers");
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	const long ms = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

	deadline = now() + (int64_t)ms * 1000000;
	if (strcmp(verb, "fork") == 0)
		return fork_bomb();
	if (strcmp(verb, "memory") == 0 && argc > 3)
		return memory_hog(strtol(argv[3], NULL, 10));
	if (strcmp(verb, "cpu") == 0)
		return cpu_hog();
	if (strcmp(verb, "kernel") == 0)
		return crash_kernel(argc > 3 ? argv[3] : NULL);
	fputs("usage: attack fork MS | memory MS MIB | cpu MS | kernel MS [HOST-KERNEL]\n", stderr);
	return 2;
}
