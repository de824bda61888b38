/*
 * A program is started without a copy of our memory: the child borrows it, and we stand still until it has executed its
 * file or failed (what vfork(2) does). Copying page tables is what makes fork slow where kernel mode is emulated.
 * A tool of ours is no file; its child does get a copy.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools.h"

#define CLONE_INTO_CGROUP_FLAG 0x200000000ULL /* since Linux 5.7 */

enum { EXIT_NOT_STARTED = 127, STACK_SIZE = 32 * 1024 };

/* include/uapi/linux/sched.h */
struct clone_arguments {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/* What the child found out: written to memory that both have, until it has a program. */
struct child {
	struct spawn *spawn;
	int error;
	bool joins; /* the kernel did not put it into the group */
};

/* The child calls `begin`, which does not return; on a stack of its own when it has borrowed ours. clone(2) */
static long clone_child(const struct clone_arguments *arguments, void (*begin)(struct child *), struct child *child)
{
	long result;

	__asm__ volatile(
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jnz 1f\n\t"
		"xor %%ebp, %%ebp\n\t"
		"mov %[child], %%rdi\n\t"
		"and $-16, %%rsp\n\t"
		"call *%[begin]\n\t"
		"hlt\n"
		"1:"
		: "=a"(result)
		: "a"(SYS_clone3), "D"(arguments), "S"(sizeof *arguments), [begin] "b"(begin), [child] "r"(child)
		: "rcx", "r11", "memory");
	return result;
}

/* The telling error of all directories: EACCES of one rather than ENOENT of the last. execvp(3) */
static int execute(const struct spawn *spawn)
{
	char path[PATH_MAX];
	const char *at = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	int error = ENOENT;

	if (strchr(spawn->file, '/') != NULL) {
		execve(spawn->file, spawn->argv, spawn->env);
		return errno;
	}
	for (char **entry = spawn->env; *entry != NULL; entry++)
		if (strncmp(*entry, "PATH=", 5) == 0) {
			at = *entry + 5;
			break;
		}
	for (;;) {
		const char *end = strchrnul(at, ':');
		/* An empty directory is the current one. */
		int length = snprintf(path, sizeof path, "%.*s%s%s", (int)(end - at), at, end > at ? "/" : "", spawn->file);

		if (length < (int)sizeof path && spawn->file[0] != '\0') {
			execve(path, spawn->argv, spawn->env);
			if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
				return errno;
			error = errno == EACCES ? EACCES : error;
		}
		if (*end == '\0')
			return error;
		at = end + 1;
	}
}

/* By the bare system calls: those of the library mean all threads of a process whose memory this is not. */
static bool become_user(const struct spawn *spawn)
{
	if (spawn->uid == 0 && spawn->gid == 0 && spawn->group_count == 0)
		return true;
	return syscall(SYS_setgroups, (long)spawn->group_count, spawn->groups) == 0 &&
		syscall(SYS_setresgid, spawn->gid, spawn->gid, spawn->gid) == 0 &&
		syscall(SYS_setresuid, spawn->uid, spawn->uid, spawn->uid) == 0;
}

__attribute__((noreturn)) static void fail(struct child *child, int step)
{
	child->spawn->step = step;
	child->error = errno != 0 ? errno : EIO;
	_exit(EXIT_NOT_STARTED);
}

static void take_streams(struct child *child)
{
	struct spawn *spawn = child->spawn;

	if (spawn->terminal && ioctl(spawn->fds[0], TIOCSCTTY, 0) < 0)
		fail(child, STEP_TERMINAL);
	for (int stream = 0; stream < 3; stream++)
		if (dup2(spawn->fds[stream], stream) < 0)
			fail(child, STEP_RESOURCES);
}

/* Its pipes and its terminal are its own: it may open them once more, as /dev/stdout. */
static void give_streams(uid_t uid)
{
	struct stat status;

	for (int stream = 0; uid != 0 && stream < 3; stream++)
		if (isatty(stream) || (fstat(stream, &status) == 0 && S_ISFIFO(status.st_mode)))
			(void)!fchown(stream, uid, (gid_t)-1);
}

static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A handler of ours would be called in a tool; executing a file takes it away. */
static void drop_handler(void)
{
	signal(SIGPIPE, SIG_DFL);
}

__attribute__((noreturn)) static void begin(struct child *child)
{
	struct spawn *spawn = child->spawn;

	errno = 0;
	if (child->joins && !group_join(spawn->group))
		fail(child, STEP_RESOURCES);
	setsid();
	take_streams(child);
	if (chdir(spawn->directory) < 0)
		fail(child, STEP_DIRECTORY);
	give_streams(spawn->uid);
	if (!become_user(spawn))
		fail(child, STEP_USER);
	if (spawn->tool)
		drop_handler();
	unblock_signals();
	if (spawn->tool) {
		if (syscall(SYS_close_range, 3, ~0U, 0) < 0)
			for (int fd = 3; fd < 1024; fd++)
				close(fd);
		run_tool(spawn->argv);
	}
	errno = execute(spawn);
	fail(child, STEP_EXECUTE);
}

int spawn_program(struct spawn *spawn, pid_t *pid)
{
	static uint8_t stack[STACK_SIZE] __attribute__((aligned(16)));
	struct child child = { .spawn = spawn };
	struct clone_arguments arguments = { .exit_signal = SIGCHLD };
	int group = group_directory(spawn->group);
	long result;

	if (spawn->tool && !is_tool(spawn->argv[0])) {
		spawn->step = STEP_EXECUTE;
		return ENOENT;
	}
	if (!spawn->tool) {
		arguments.flags = CLONE_VM | CLONE_VFORK;
		arguments.stack = (uint64_t)(uintptr_t)stack;
		arguments.stack_size = sizeof stack;
	}
	if (group >= 0) {
		arguments.flags |= CLONE_INTO_CGROUP_FLAG;
		arguments.cgroup = (uint64_t)group;
	}
	result = clone_child(&arguments, begin, &child);
	if (result == -EINVAL && group >= 0) {
		arguments.flags &= ~CLONE_INTO_CGROUP_FLAG;
		arguments.cgroup = 0;
		child.joins = true;
		result = clone_child(&arguments, begin, &child);
	}
	if (result < 0) {
		spawn->step = STEP_RESOURCES;
		return (int)-result;
	}
	/* One that failed is collected with all others. */
	*pid = (pid_t)result;
	return child.error;
}
