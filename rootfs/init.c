/*
 * Process 1 of every container: starts the program, collects what is orphaned, and ends with the program's status.
 * The kernel drops the signals that a process 1 sends itself, so the program must not be it. pid_namespaces(7)
 *
 *   init STREAMS FILE ARGV0 [ARG...]    STREAMS: one letter each for standard input, output and error
 *     p  descriptor 3, 4 or 5, in this order      k  what the runtime gave
 *     n z f r u  /dev/null, zero, full, random, urandom of the container itself
 *   A "t" before them: the program gets a terminal of its own, and the third stream brings its sizes (init-terminal.h).
 *   A "d" before them: FILE comes after the directory to go to. Whoever starts us does not go there: what it has open is
 *   closed by then, so that no link of the container's leads through it.
 *
 * It starts further programs (`cloister exec`) in the same way, one each, then not as process 1.
 * Descriptor 6 gets one struct report, once the program is there or cannot be. No C library: two pages of memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "calls.h"
#include "init-terminal.h"

#define REPORT_FD 6
#define PATH_SIZE 4096
#define EXIT_NOT_STARTED 127
#define SIGNALS 64
#define OPEN_FILES 1024 /* src/container/bundle.ts asks for the same */
#define SET_MASK 2 /* SIG_SETMASK */
#define WAIT_ALL 0x40000000 /* __WALL */

/* src/container/report.ts reads it. */
struct report {
	int64_t started_ns; /* CLOCK_MONOTONIC, right before the execve that succeeded */
	int32_t error;      /* errno, or 0 when the program runs */
	int32_t setup;      /* 1: the error is of this program, not of the execve; 2: of the directory */
};

__attribute__((noreturn)) static void leave(int status)
{
	for (;;)
		call(__NR_exit_group, status, 0, 0, 0);
}

static void send_report(struct report report)
{
	call(__NR_write, REPORT_FD, (long)&report, sizeof report, 0);
	call(__NR_close, REPORT_FD, 0, 0, 0);
}

__attribute__((noreturn)) static void refuse(long error, int setup)
{
	send_report((struct report){ .error = (int32_t)-error, .setup = setup });
	leave(EXIT_NOT_STARTED);
}

__attribute__((noreturn)) static void give_up(long error)
{
	refuse(error, 1);
}

static void must(long result)
{
	if (result < 0)
		give_up(result);
}

/* The container's own device file: the host's would let the program change its mode and owner. */
static const char *device(char letter)
{
	switch (letter) {
	case 'n': return "/dev/null";
	case 'z': return "/dev/zero";
	case 'f': return "/dev/full";
	case 'r': return "/dev/random";
	case 'u': return "/dev/urandom";
	default: return 0;
	}
}

static void connect_streams(const char *letters)
{
	for (int stream = 0; stream < 3; stream++) {
		const char *path = device(letters[stream]);

		if (letters[stream] == 'p') {
			must(call(__NR_dup2, 3 + stream, stream, 0, 0));
		} else if (path != 0) {
			long fd = call(__NR_open, (long)path, stream == 0 ? O_RDONLY : O_WRONLY, 0, 0);

			must(fd);
			must(call(__NR_dup2, fd, stream, 0, 0));
			call(__NR_close, fd, 0, 0, 0);
		} else if (letters[stream] != 'k') {
			give_up(-EINVAL);
		}
	}
	for (int fd = 3; fd < REPORT_FD; fd++)
		call(__NR_close, fd, 0, 0, 0);
}

/* Whatever a runtime may have left open: a directory of the host would be a way out. */
static void close_others(void)
{
	if (call(__NR_close_range, REPORT_FD + 1, ~0U, 0, 0) < 0)
		for (int fd = REPORT_FD + 1; fd < 1024; fd++)
			call(__NR_close, fd, 0, 0, 0);
}

static const char *search_path(char **env)
{
	for (; *env != 0; env++)
		if ((*env)[0] == 'P' && (*env)[1] == 'A' && (*env)[2] == 'T' && (*env)[3] == 'H' && (*env)[4] == '=')
			return *env + 5;
	return "";
}

static int has_slash(const char *name)
{
	for (; *name != '\0'; name++)
		if (*name == '/')
			return 1;
	return 0;
}

/* Directory and name joined; 0 when too long. An empty directory is the current one. */
static int join(char *into, const char *directory, const char *end, const char *name)
{
	int length = 0;

	while (directory < end && length < PATH_SIZE - 2)
		into[length++] = *directory++;
	if (length > 0)
		into[length++] = '/';
	while (*name != '\0' && length < PATH_SIZE - 1)
		into[length++] = *name++;
	into[length] = '\0';
	return *name == '\0' && directory == end;
}

/* Returns only with an error, the telling one: EACCES of one directory rather than ENOENT of the last. execvp(3) */
static long execute(const char *file, char **argv, char **env)
{
	static char path[PATH_SIZE];
	long result = -ENOENT;

	if (has_slash(file))
		return call(__NR_execve, (long)file, (long)argv, (long)env, 0);
	for (const char *at = search_path(env);; at++) {
		const char *end = at;
		long error;

		while (*end != '\0' && *end != ':')
			end++;
		error = join(path, at, end, file) ? call(__NR_execve, (long)path, (long)argv, (long)env, 0) : -ENAMETOOLONG;
		if (error != -ENOENT && error != -ENOTDIR && error != -EACCES)
			return error;
		if (error == -EACCES)
			result = error;
		if (*end == '\0')
			return result;
		at = end;
	}
}

/* An ignored or blocked signal outlives execve: whoever started Cloister may have left some. */
static void reset_signals(void)
{
	static const unsigned long none;
	static const unsigned long by_default[4]; /* the kernel's struct sigaction: SIG_DFL, nothing else */

	for (int number = 1; number <= SIGNALS; number++)
		call(__NR_rt_sigaction, number, (long)by_default, 0, sizeof none);
	call(__NR_rt_sigprocmask, SET_MASK, (long)&none, 0, sizeof none);
}

/*
 * Programs in Go, runc among them, raise their own soft limit of descriptors when they start, and that may come after the
 * limit was set for us. Programs that use select(2) misbehave with more than this. setrlimit(2)
 */
static void lower_open_files(void)
{
	struct rlimit limit;

	if (call(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit) != 0 || limit.rlim_cur <= OPEN_FILES)
		return;
	limit.rlim_cur = OPEN_FILES;
	call(__NR_prlimit64, 0, RLIMIT_NOFILE, (long)&limit, 0);
}

/* In the child. A session of its own, as it would lead one if it were process 1. */
__attribute__((noreturn)) static void become(const char *file, char **argv, char **env, int errors, long terminal)
{
	struct timespec now = { 0, 0 };
	struct report report = { 0, 0, 0 };

	call(__NR_setsid, 0, 0, 0, 0);
	if (terminal >= 0) {
		report.error = (int32_t)-terminal_take(terminal);
		if (report.error != 0) {
			report.setup = 1;
			call(__NR_write, errors, (long)&report, sizeof report, 0);
			leave(EXIT_NOT_STARTED);
		}
	}
	reset_signals();
	lower_open_files();
	call(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0);
	report.started_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	call(__NR_write, errors, (long)&report, sizeof report, 0);
	report.error = (int32_t)-execute(file, argv, env);
	call(__NR_write, errors, (long)&report, sizeof report, 0);
	leave(EXIT_NOT_STARTED);
}

/* The last report before the pipe closes, which a successful execve does. */
static struct report await_start(int errors)
{
	struct report report = { 0, EIO, 1 };
	long count;

	do {
		struct report next;

		count = call(__NR_read, errors, (long)&next, sizeof next, 0);
		if (count == sizeof next)
			report = next;
	} while (count > 0 || count == -EINTR);
	call(__NR_close, errors, 0, 0, 0);
	return report;
}

/* As a shell has it in $?. A death by signal cannot be repeated here: process 1 survives its own signals. */
static int exit_status(int status)
{
	return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
}

static int await_end(long program)
{
	for (;;) {
		int status = 0;
		long pid = call(__NR_wait4, -1, (long)&status, WAIT_ALL, 0);

		if (pid == program)
			return exit_status(status);
		if (pid < 0 && pid != -EINTR)
			return EXIT_NOT_STARTED;
	}
}

__attribute__((noreturn, used)) static void run(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)(stack + 1);
	char **env = argv + argc + 1;
	const char *streams, *directory = 0;
	int errors[2], has_terminal;
	struct report report;
	long program, terminal = -1;

	close_others();
	if (argc < 4)
		give_up(-EINVAL);
	streams = argv[1];
	has_terminal = streams[0] == 't';
	streams += has_terminal;
	if (streams[0] == 'd') {
		streams++;
		directory = argv[2];
		argv++;
		if (argc < 5)
			give_up(-EINVAL);
	}
	/* The program is root too: without this /proc/1 would show it our memory, our file and our descriptors. */
	must(call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0));
	must(call(__NR_fcntl, REPORT_FD, F_SETFD, FD_CLOEXEC, 0));
	connect_streams(streams);
	if (directory != 0) {
		long error = call(__NR_chdir, (long)directory, 0, 0, 0);

		if (error < 0)
			refuse(error, 2);
	}
	if (has_terminal) {
		terminal = terminal_open();
		must(terminal);
	}
	must(call(__NR_pipe2, (long)errors, O_CLOEXEC, 0, 0));
	program = call(__NR_fork, 0, 0, 0, 0);
	must(program);
	if (program == 0)
		become(argv[2], argv + 3, env, errors[1], terminal);
	call(__NR_close, errors[1], 0, 0, 0);
	if (terminal >= 0) {
		send_report(await_start(errors[0]));
		leave(exit_status(terminal_relay(terminal, program)));
	}
	/* Whoever reads what the program writes must see its end when the program closes it. */
	for (int stream = 0; stream < 3; stream++)
		call(__NR_close, stream, 0, 0, 0);
	report = await_start(errors[0]);
	send_report(report);
	leave(await_end(program));
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall run\n");
