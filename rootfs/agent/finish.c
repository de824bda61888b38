#include "finish.h"

#include <signal.h>
#include <unistd.h>

#include "link.h"
#include "mounts.h"
#include "session.h"

/* Who has not died by then waits for a device, and will never see the end of it. */
enum { PATIENCE_MS = 5000 };

static bool began, ended, asked_for;
static int64_t deadline;

static void kill_all(void)
{
	if (getpid() == 1)
		kill(-1, SIGKILL);
	for (struct session *session = NULL; (session = session_next(session)) != NULL;)
		if (!session->ended)
			kill(-session->pid, SIGKILL);
}

void finish_begin(bool asked)
{
	asked_for |= asked;
	if (began)
		return;
	began = true;
	deadline = now_ms() + PATIENCE_MS;
	kill_all();
}

bool finishing(void)
{
	return began;
}

bool finished(void)
{
	return ended;
}

int finish_due(void)
{
	int64_t in = deadline - now_ms();

	return !began || ended ? -1 : in < 0 ? 0 : (int)in;
}

void finish_serve(bool alone)
{
	if (began && !ended && (alone || now_ms() >= deadline)) {
		if (getpid() == 1)
			mounts_settle();
		ended = true;
	}
}

void finish_say(void)
{
	if (ended && asked_for && link_is_up() && outgoing_has_room(ANSWER_MAX)) {
		frame_begin(FRAME_DOWN, 0);
		frame_end();
		asked_for = false;
	}
}
