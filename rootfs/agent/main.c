/*
 * Process 1 of a Linux guest: brings it up, becomes what the host wants it to be, runs programs for the host, and
 * collects whoever has lost his parents. One thread, one loop; docs/agent-protocol.md says what goes over the connection.
 *
 *   agent                 as /init of an initial RAM disk
 *   agent --socket PATH   as any process, with sessions only: how the tests run it
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "finish.h"
#include "link.h"
#include "say.h"
#include "session.h"

/* The connection has two entries, a session three at most. */
enum { POLLED_MAX = 2 + 3 * SESSIONS_MAX };

static volatile sig_atomic_t child_ended;

static void note_child(int signo)
{
	(void)signo;
	child_ended = 1;
}

/* A handler, unlike SIG_IGN, is not passed on to programs. */
static void pass_over(int signo)
{
	(void)signo;
}

/* Ends of children are heard of during the wait only, so that none is missed between look and wait. */
static sigset_t prepare_signals(void)
{
	struct sigaction child = { .sa_handler = note_child, .sa_flags = SA_NOCLDSTOP | SA_RESTART };
	struct sigaction none = { .sa_handler = pass_over, .sa_flags = SA_RESTART };
	sigset_t blocked, before;

	sigaction(SIGCHLD, &child, NULL);
	sigaction(SIGPIPE, &none, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	return before;
}

/* @returns whether nobody is left */
static bool collect(void)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);

		if (pid <= 0)
			return pid < 0 && errno == ECHILD;
		struct session *session = session_of_process(pid);

		if (session != NULL)
			session_ended(session, status);
	}
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static void wait_for_something(struct pollfd *fds, const sigset_t *awake)
{
	struct timespec limit;
	int count = 2, due = finish_due();

	link_poll(fds);
	for (struct session *session = NULL; (session = session_next(session)) != NULL;) {
		count += session_poll(session, fds + count);
		due = sooner(due, session_due(session));
	}
	limit = (struct timespec){ .tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000L };
	if (ppoll(fds, (nfds_t)count, due < 0 ? NULL : &limit, awake) < 0)
		for (int i = 0; i < count; i++)
			fds[i].revents = 0;
}

static void serve_sessions(bool main_ones)
{
	for (struct session *session = NULL; (session = session_next(session)) != NULL;)
		if ((session->flags & SESSION_MAIN) == (main_ones ? SESSION_MAIN : 0))
			session_serve(session);
}

__attribute__((noreturn)) static void serve(const sigset_t *awake)
{
	static struct pollfd fds[POLLED_MAX];
	bool alone = true;

	for (;;) {
		link_flush();
		wait_for_something(fds, awake);
		if (child_ended || finishing()) {
			child_ended = 0;
			alone = collect();
		}
		link_serve(fds);
		finish_serve(alone);
		serve_sessions(false);
		/* What ended with the main program is said before its own end, at which the host switches us off. */
		serve_sessions(true);
		finish_say();
	}
}

int main(int argc, char **argv)
{
	sigset_t awake = prepare_signals();
	int error;

	if (argc == 3 && strcmp(argv[1], "--socket") == 0 && getpid() != 1) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		/* A test that was killed does not end us itself. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		boot_as_guest_of_host();
		error = link_listen_unix(argv[2]);
		if (error != 0)
			give_up("cannot listen on the socket", error);
		serve(&awake);
	}
	if (getpid() != 1) {
		fputs("usage: agent --socket PATH (otherwise it is /init of a guest)\n", stderr);
		return 2;
	}
	boot();
	error = link_listen_vsock();
	if (error != 0)
		give_up("this kernel has no vsock to reach the host by", error);
	link_connect_host();
	serve(&awake);
}
