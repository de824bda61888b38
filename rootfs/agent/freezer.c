#include "freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "groups.h"
#include "session.h"

/* A process that waits for a device without being interruptible takes as long as the device. */
enum { PATIENCE_MS = 10000 };

static int freeze = -1, events = -1;

void freezer_open(void)
{
	int all = group_directory(GROUP_ALL);

	if (all < 0)
		return;
	freeze = openat(all, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
	events = openat(all, "cgroup.events", O_RDONLY | O_CLOEXEC);
}

bool freezer_is_there(void)
{
	return freeze >= 0 && events >= 0;
}

static bool is_frozen(void)
{
	char text[128];
	ssize_t count = pread(events, text, sizeof text - 1, 0);

	text[count > 0 ? count : 0] = '\0';
	return strstr(text, "frozen 1") != NULL;
}

static void signal_all(int signo)
{
	if (getpid() == 1) {
		kill(-1, signo);
		return;
	}
	for (struct session *session = NULL; (session = session_next(session)) != NULL;)
		if (!session->ended)
			kill(-session->pid, signo);
}

/* A signal takes effect a moment later. Of those that programs started we cannot know. */
static int await_stops(int64_t deadline)
{
	for (struct session *session = NULL; (session = session_next(session)) != NULL;) {
		siginfo_t news = { 0 };

		while (!session->ended && news.si_pid == 0) {
			if (waitid(P_PID, (id_t)session->pid, &news, WSTOPPED | WEXITED | WNOWAIT | WNOHANG) < 0)
				break;
			if (now_ms() >= deadline) {
				freezer_thaw();
				return ETIMEDOUT;
			}
			poll(NULL, 0, news.si_pid == 0);
		}
	}
	return 0;
}

int freezer_freeze(void)
{
	const int64_t deadline = now_ms() + PATIENCE_MS;

	if (!freezer_is_there()) {
		signal_all(SIGSTOP);
		return await_stops(deadline);
	}
	if (pwrite(freeze, "1", 1, 0) != 1)
		return errno;
	/* cgroup.events wakes whoever polls it when a line changes. */
	while (!is_frozen()) {
		struct pollfd changed = { .fd = events, .events = POLLPRI };

		if (now_ms() >= deadline) {
			freezer_thaw();
			return ETIMEDOUT;
		}
		poll(&changed, 1, 1000);
	}
	return 0;
}

void freezer_thaw(void)
{
	if (!freezer_is_there())
		signal_all(SIGCONT);
	else
		(void)!pwrite(freeze, "0", 1, 0);
}
