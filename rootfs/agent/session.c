/* The table of them, and what the host asks of one. The bytes are in session-input.c and session-output.c. */
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dispatch.h"
#include "finish.h"
#include "link.h"
#include "memory-kills.h"

enum {
	/* Between the hang-up and the end by force. */
	HANG_UP_MS = 2000,
	/* A program's children may have its output open when it ends; what they write just then still counts. */
	LINGER_MS = 200,
	SIGNAL_MAX = 64,
};

static struct session sessions[SESSIONS_MAX];

int64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

struct session *session_new(uint16_t id)
{
	for (int i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].id == 0) {
			sessions[i] = (struct session){
				.id = id, .in = -1, .terminal = -1, .out = { .fd = -1, .rest = -1 }, .err = { .fd = -1, .rest = -1 },
			};
			return &sessions[i];
		}
	return NULL;
}

void session_free(struct session *session)
{
	if (session->in >= 0)
		close(session->in);
	if (session->terminal >= 0)
		close(session->terminal);
	if (session->out.fd >= 0)
		close(session->out.fd);
	if (session->err.fd >= 0)
		close(session->err.fd);
	free(session->waiting);
	session->id = 0;
}

struct session *session_next(struct session *session)
{
	for (session = session == NULL ? sessions : session + 1; session < sessions + SESSIONS_MAX; session++)
		if (session->id != 0)
			return session;
	return NULL;
}

struct session *session_find(uint16_t id)
{
	struct session *session = NULL;

	while ((session = session_next(session)) != NULL && session->id != id)
		continue;
	return session;
}

struct session *session_of_process(pid_t pid)
{
	struct session *session = NULL;

	while ((session = session_next(session)) != NULL && (session->pid != pid || session->ended))
		continue;
	return session;
}

int session_count(void)
{
	int count = 0;

	for (struct session *session = NULL; (session = session_next(session)) != NULL;)
		count++;
	return count;
}

uint16_t session_flags(const struct session *session)
{
	return (uint16_t)(session->flags | (session->ended ? SESSION_ENDED : 0));
}

bool session_grant(struct output *output, struct reader *payload)
{
	uint32_t bytes = read_u32(payload);

	if (!read_whole(payload) || bytes > OUTPUT_WINDOW_MAX || output->credit + bytes > OUTPUT_WINDOW_MAX)
		return false;
	output->credit += bytes;
	return true;
}

bool session_signal(struct session *session, struct reader *payload)
{
	uint32_t signo = read_u32(payload);

	if (!read_whole(payload) || signo < 1 || signo > SIGNAL_MAX)
		return false;
	if (!session->ended)
		kill(session->pid, (int)signo);
	session->killed_by_host |= signo == SIGKILL;
	return true;
}

bool session_resize(struct session *session, struct reader *payload)
{
	struct winsize size = { 0 };

	size.ws_col = read_u16(payload);
	size.ws_row = read_u16(payload);
	if (!read_whole(payload))
		return false;
	if (session->flags & SESSION_TTY && session->out.fd >= 0)
		ioctl(session->out.fd, TIOCSWINSZ, &size);
	return true;
}

bool session_attach(struct session *session, uint32_t out, uint32_t err)
{
	if (out > OUTPUT_WINDOW_MAX || err > OUTPUT_WINDOW_MAX)
		return false;
	session->attached = true;
	session->out.credit = out;
	session->err.credit = err;
	session->taken = 0;
	frame_begin(FRAME_ATTACHED, session->id);
	frame_u16(session_flags(session));
	frame_u16(session->in_ends);
	frame_u32((uint32_t)session->pid);
	frame_u32(STDIN_WINDOW - (session->waiting_end - session->waiting_start));
	frame_end();
	return true;
}

void session_deny(uint16_t id)
{
	frame_begin(FRAME_ATTACHED, id);
	frame_u16(SESSION_ENDED);
	frame_u16(1);
	frame_u32(0);
	frame_u32(0);
	frame_end();
}

/* The program leads its group: whoever it started and did not put into a group of its own is told as well. */
void session_abandon(struct session *session)
{
	if (session->abandoned)
		return;
	session->abandoned = session->killed_by_host = true;
	if (session->ended)
		return;
	kill(-session->pid, SIGHUP);
	/* A stopped one would not hear of it. */
	kill(-session->pid, SIGCONT);
	session->deadline = now_ms() + HANG_UP_MS;
}

void session_ended(struct session *session, int status)
{
	bool killed = (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
		(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGKILL);

	session->ended = true;
	session->status = status;
	session->out_of_memory = killed && !session->killed_by_host && memory_was_short();
	/* The main one's output is complete when nobody is left. */
	session->deadline = session->flags & SESSION_MAIN ? 0 : now_ms() + LINGER_MS;
	if (session->terminal >= 0)
		close(session->terminal);
	session->terminal = -1;
	if (session->abandoned)
		kill(-session->pid, SIGKILL);
	if (session->flags & SESSION_MAIN)
		finish_begin(false);
}

int session_due(const struct session *session)
{
	int64_t in;

	if (session->deadline == 0 || is_held())
		return -1;
	in = session->deadline - now_ms();
	return in < 0 ? 0 : (int)in;
}
