#include "init-terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "calls.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#define WAIT_ALL 0x40000000 /* __WALL */
#define NO_HANG 1
#define SIGNAL_CHILD 17
#define BLOCK 0 /* SIG_BLOCK */
/* What fits into a pipe that poll says can be written to, and is then written whole. pipe(7) */
#define CHUNK 4096

/* Bytes on their way in one direction. */
struct flow {
	long from, to;
	char bytes[CHUNK];
	long start, end;
	int over; /* nothing more comes */
};

static struct flow typed, shown;

/* @returns whether there was one */
static int resize(long master)
{
	struct winsize size;

	if (call(__NR_read, 2, (long)&size, sizeof size, 0) != sizeof size)
		return 0;
	call(__NR_ioctl, master, TIOCSWINSZ, (long)&size, 0);
	return 1;
}

/* Sizes that are known before the start are there when the program looks. */
long terminal_open(void)
{
	int locked = 0;
	long master = call(__NR_open, (long)"/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK, 0, 0);
	long error = master < 0 ? master : call(__NR_ioctl, master, TIOCSPTLCK, (long)&locked, 0);
	struct pollfd sizes = { .fd = 2, .events = POLLIN };

	if (error < 0)
		return error;
	while (call(__NR_poll, (long)&sizes, 1, 0, 0) == 1 && sizes.revents & POLLIN && resize(master))
		continue;
	return master;
}

long terminal_take(long master)
{
	long slave = call(__NR_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY, 0);

	if (slave < 0)
		return slave;
	long error = call(__NR_ioctl, slave, TIOCSCTTY, 0, 0);
	for (int stream = 0; stream < 3 && error >= 0; stream++)
		error = call(__NR_dup2, slave, stream, 0, 0);
	if (slave > 2)
		call(__NR_close, slave, 0, 0, 0);
	return error < 0 ? error : 0;
}

/* 0 or EIO: the other side is closed. Nothing there yet is neither. */
static void fill(struct flow *flow)
{
	long count = call(__NR_read, flow->from, (long)flow->bytes, CHUNK, 0);

	if (count == -EAGAIN || count == -EINTR)
		return;
	flow->start = 0;
	flow->end = count > 0 ? count : 0;
	flow->over = count <= 0;
}

static void empty(struct flow *flow)
{
	long count = call(__NR_write, flow->to, (long)(flow->bytes + flow->start), flow->end - flow->start, 0);

	if (count == -EAGAIN || count == -EINTR)
		return;
	/* Nobody takes it any more: what still comes goes nowhere, and the program goes on. */
	flow->start = count < 0 ? flow->end : flow->start + count;
}

static int carries(const struct flow *flow)
{
	return flow->start < flow->end;
}

static struct pollfd wait_for(long fd, int wanted, short events)
{
	return (struct pollfd){ .fd = wanted ? (int)fd : -1, .events = events };
}

/* All others of the container are our children too when their parents are gone. @returns whether the program ended */
static int reap(long program, int *status)
{
	for (;;) {
		int ended;
		long pid = call(__NR_wait4, -1, (long)&ended, WAIT_ALL | NO_HANG, 0);

		if (pid <= 0)
			return 0;
		if (pid == program) {
			*status = ended;
			return 1;
		}
	}
}

/* What the program had written when it ended; others may have the terminal open for ever. */
static void drain(void)
{
	while (carries(&shown) || !shown.over) {
		struct pollfd room = { .fd = 1, .events = POLLOUT };
		long before = shown.end;

		if (!carries(&shown)) {
			shown.end = -1;
			fill(&shown);
			if (shown.end < 0) { /* nothing is left */
				shown.end = before;
				return;
			}
			continue;
		}
		call(__NR_poll, (long)&room, 1, -1, 0);
		empty(&shown);
	}
}

int terminal_relay(long master, long program)
{
	const uint64_t children = 1ULL << (SIGNAL_CHILD - 1);
	char news[128]; /* struct signalfd_siginfo */
	int status = 0;
	int sizes = 1;

	call(__NR_rt_sigprocmask, BLOCK, (long)&children, 0, sizeof children);
	long ends = call(__NR_signalfd4, -1, (long)&children, sizeof children, O_CLOEXEC | O_NONBLOCK);
	typed.from = 0;
	typed.to = master;
	shown.from = master;
	shown.to = 1;
	while (!reap(program, &status)) {
		struct pollfd fds[] = {
			wait_for(ends, 1, POLLIN),
			wait_for(2, sizes, POLLIN),
			wait_for(0, !carries(&typed) && !typed.over, POLLIN),
			wait_for(master, carries(&typed), POLLOUT),
			wait_for(master, !carries(&shown) && !shown.over, POLLIN),
			wait_for(1, carries(&shown), POLLOUT),
		};

		if (call(__NR_poll, (long)fds, sizeof fds / sizeof *fds, -1, 0) < 0)
			continue;
		if (fds[0].revents)
			call(__NR_read, ends, (long)news, sizeof news, 0);
		if (fds[1].revents & POLLIN)
			resize(master);
		else if (fds[1].revents)
			sizes = 0;
		if (fds[2].revents)
			fill(&typed);
		if (fds[3].revents)
			empty(&typed);
		if (fds[4].revents)
			fill(&shown);
		if (fds[5].revents)
			empty(&shown);
	}
	drain();
	return status;
}
