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
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "finish.h"
#include "link.h"
#include "say.h"
#include "session.h"

/* The connection has two entries, ends of children one, a session three at most. */
enum { ENDS = 2, FIRST_SESSION = 3, POLLED_MAX = FIRST_SESSION + 3 * SESSIONS_MAX };

/* A handler, unlike SIG_IGN, is not passed on to programs. */
static void pass_over(int signo)
{
	(void)signo;
}

/* Ends of children are waited for like bytes: a handler would not be called as long as any descriptor is ready. */
static int open_ends(void)
{
	struct sigaction none = { .sa_handler = pass_over, .sa_flags = SA_RESTART };
	sigset_t children;
	int ends;

	sigaction(SIGPIPE, &none, NULL);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	ends = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
	if (ends < 0)
		give_up("this kernel does not tell of the end of programs", errno);
	return ends;
}

static bool has_news(int ends)
{
	struct signalfd_siginfo news;

	return read(ends, &news, sizeof news) > 0;
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

static void wait_for_something(struct pollfd *fds, int ends)
{
	int count = FIRST_SESSION, due = finish_due();

	link_poll(fds);
	fds[ENDS] = (struct pollfd){ .fd = ends, .events = POLLIN };
	for (struct session *session = NULL; (session = session_next(session)) != NULL;) {
		count += session_poll(session, fds + count);
		due = sooner(due, session_due(session));
	}
	if (poll(fds, (nfds_t)count, due) < 0)
		for (int i = 0; i < count; i++)
			fds[i].revents = 0;
}

static void serve_sessions(bool main_ones)
{
	for (struct session *session = NULL; (session = session_next(session)) != NULL;)
		if ((session->flags & SESSION_MAIN) == (main_ones ? SESSION_MAIN : 0))
			session_serve(session);
}

__attribute__((noreturn)) static void serve(int ends)
{
	static struct pollfd fds[POLLED_MAX];
	bool alone = true;

	for (;;) {
		link_flush();
		wait_for_something(fds, ends);
		if ((fds[ENDS].revents != 0 && has_news(ends)) || finishing())
			alone = collect();
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
	int error, ends;

	if (argc == 3 && strcmp(argv[1], "--socket") == 0 && getpid() != 1) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		/* A test that was killed does not end us itself. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		boot_as_guest_of_host();
		error = link_listen_unix(argv[2]);
		if (error != 0)
			give_up("cannot listen on the socket", error);
		serve(open_ends());
	}
	if (getpid() != 1) {
		fputs("usage: agent --socket PATH (otherwise it is /init of a guest)\n", stderr);
		return 2;
	}
	boot();
	ends = open_ends();
	error = link_listen_vsock();
	if (error != 0)
		give_up("this kernel has no vsock to reach the host by", error);
	link_connect_host();
	serve(ends);
}
