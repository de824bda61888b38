/* What a program says goes to the host; session-input.c has the other direction. */
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dispatch.h"
#include "finish.h"
#include "link.h"
#include "session-input.h"

enum {
	/* Room that output leaves to everything else that wants to be said. */
	SPARE = 4 * ANSWER_MAX,
	/* A frame of output is not worth its while with less. */
	LEAST = SPARE + HEADER_SIZE + 4096,
};

static void close_output(struct output *output)
{
	close(output->fd);
	output->fd = -1;
}

/* Nobody reads it: it is taken all the same, so that the program does not stand still. */
static void swallow(struct output *output)
{
	static char bytes[16 * 1024];
	ssize_t count = read(output->fd, bytes, sizeof bytes);

	if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
		close_output(output);
}

/* @returns whether there may be more */
static bool pass_on(struct session *session, struct output *output, uint16_t type)
{
	if (session->abandoned) {
		swallow(output);
		return false;
	}
	if (!session->attached || output->credit == 0 || output->rest == 0 || !outgoing_has_room(LEAST))
		return false;
	frame_begin(type, session->id);
	size_t most;
	uint8_t *space = frame_space(SPARE, &most);

	most = most < output->credit ? most : output->credit;
	if (output->rest >= 0 && (size_t)output->rest < most)
		most = (size_t)output->rest;
	ssize_t count = read(output->fd, space, most);
	if (count > 0) {
		frame_took((size_t)count);
		frame_end();
		output->credit -= (uint32_t)count;
		output->rest -= output->rest < 0 ? 0 : count;
		/* Less than asked for is all there was; of one that has ended the end is wanted too. */
		return session->ended || (size_t)count == most;
	}
	frame_drop();
	/* EIO: all ends of the terminal that programs had are closed. */
	if (count == 0 || (errno != EAGAIN && errno != EINTR))
		close_output(output);
	return false;
}

static int bytes_there(const struct output *output)
{
	int count = 0;

	return ioctl(output->fd, FIONREAD, &count) == 0 ? count : 0;
}

/* Whether its output ends with what is there, whoever else still has it open and goes on writing. */
static bool is_late(const struct session *session)
{
	return session->flags & SESSION_MAIN ? finished() : session->lingered;
}

static void serve_output(struct session *session, struct output *output, uint16_t type)
{
	if (output->fd < 0)
		return;
	if (session->ended || (output->polled != NULL && output->polled->revents != 0))
		while (pass_on(session, output, type))
			continue;
	output->polled = NULL;
	if (output->fd < 0 || !is_late(session))
		return;
	if (output->rest < 0)
		output->rest = bytes_there(output);
	if (output->rest == 0 || session->abandoned)
		close_output(output);
}

static void say_exit(struct session *session)
{
	uint32_t code = WIFEXITED(session->status) ? (uint32_t)WEXITSTATUS(session->status) : 0;
	uint32_t signo = WIFSIGNALED(session->status) ? (uint32_t)WTERMSIG(session->status) : 0;

	frame_begin(FRAME_EXIT, session->id);
	frame_u32(code);
	frame_u32(signo);
	frame_u32(session->out_of_memory ? EXIT_OUT_OF_MEMORY : 0);
	frame_end();
}

static bool is_over(const struct session *session)
{
	if (!session->ended || session->out.fd >= 0 || session->err.fd >= 0)
		return false;
	return !(session->flags & SESSION_MAIN) || finished();
}

void session_serve(struct session *session)
{
	if (is_held())
		return;
	if (session->abandoned && !session->ended && now_ms() >= session->deadline) {
		kill(-session->pid, SIGKILL);
		session->deadline += 1000;
	}
	if (session->ended && session->deadline != 0 && now_ms() >= session->deadline) {
		session->deadline = 0;
		session->lingered = true;
	}
	/* Its end may have come while it was held. */
	if ((session->in_polled != NULL && session->in_polled->revents != 0) || session->in_ends)
		write_input(session);
	session->in_polled = NULL;
	serve_output(session, &session->out, FRAME_STDOUT);
	serve_output(session, &session->err, FRAME_STDERR);
	say_input_credit(session);
	if (!is_over(session))
		return;
	/* One that nobody knows has nobody to tell; the main one waits for somebody. */
	if (session->attached && outgoing_has_room(SPARE)) {
		say_exit(session);
		session_free(session);
	} else if (session->abandoned && !session->attached) {
		session_free(session);
	}
}

static struct pollfd *wait_for(struct pollfd *fds, int *count, int fd, short events)
{
	fds[*count] = (struct pollfd){ .fd = fd, .events = events };
	return &fds[(*count)++];
}

static bool wants_output(const struct session *session, const struct output *output)
{
	if (output->fd < 0)
		return false;
	return session->abandoned || (session->attached && output->credit > 0 && outgoing_has_room(LEAST));
}

int session_poll(struct session *session, struct pollfd *fds)
{
	int count = 0;

	session->in_polled = session->out.polled = session->err.polled = NULL;
	if (is_held())
		return 0;
	if (awaited_input(session) >= 0)
		session->in_polled = wait_for(fds, &count, awaited_input(session), POLLOUT);
	if (wants_output(session, &session->out))
		session->out.polled = wait_for(fds, &count, session->out.fd, POLLIN);
	if (wants_output(session, &session->err))
		session->err.polled = wait_for(fds, &count, session->err.fd, POLLIN);
	return count;
}
