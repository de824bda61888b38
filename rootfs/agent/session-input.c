#include "session-input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dispatch.h"
#include "outgoing.h"

static int input_fd(const struct session *session)
{
	return session->flags & SESSION_TTY ? session->out.fd : session->in;
}

static void close_input(struct session *session)
{
	if (session->in >= 0)
		close(session->in);
	session->in = -1;
}

/* What nobody takes any more has been taken as well: the host need not wait with it. */
static void throw_away(struct session *session)
{
	session->taken += session->waiting_end - session->waiting_start;
	session->waiting_start = session->waiting_end = 0;
}

int awaited_input(const struct session *session)
{
	return session->waiting_start < session->waiting_end ? input_fd(session) : -1;
}

void write_input(struct session *session)
{
	int fd = input_fd(session);

	while (fd >= 0 && session->waiting_start < session->waiting_end) {
		ssize_t count = write(fd, session->waiting + session->waiting_start, session->waiting_end - session->waiting_start);

		if (count < 0 && errno == EAGAIN)
			return;
		if (count < 0 && errno != EINTR) {
			close_input(session);
			break;
		}
		session->waiting_start += count > 0 ? (uint32_t)count : 0;
		session->taken += count > 0 ? (uint32_t)count : 0;
	}
	throw_away(session);
	if (session->in_ends)
		close_input(session);
}

bool session_input(struct session *session, struct reader *bytes)
{
	uint32_t waiting = session->waiting_end - session->waiting_start;
	uint32_t count = (uint32_t)left(bytes);

	if (session->in_ends || waiting + session->taken + count > STDIN_WINDOW)
		return false;
	if (session->waiting == NULL)
		session->waiting = malloc(STDIN_WINDOW);
	if (session->waiting == NULL) {
		close_input(session);
		session->taken += count;
		return true;
	}
	if (session->waiting_start > 0) {
		memmove(session->waiting, session->waiting + session->waiting_start, waiting);
		session->waiting_start = 0;
	}
	memcpy(session->waiting + waiting, bytes->at, count);
	session->waiting_end = waiting + count;
	if (!is_held())
		write_input(session);
	return true;
}

void session_input_ends(struct session *session)
{
	session->in_ends = true;
	if (!is_held() && session->waiting_start == session->waiting_end)
		close_input(session);
}

void say_input_credit(struct session *session)
{
	if (session->taken == 0 || !session->attached || !outgoing_has_room(ANSWER_MAX))
		return;
	/* Small inputs need no answer. */
	if (session->taken < STDIN_WINDOW / 2)
		return;
	frame_begin(FRAME_STDIN_CREDIT, session->id);
	frame_u32(session->taken);
	frame_end();
	session->taken = 0;
}
