#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "link.h"
#include "session.h"
#include "spawn.h"
#include "terminal.h"

enum { KNOWN_FLAGS = SESSION_MAIN | SESSION_TTY | SESSION_TOOL | SESSION_STDIN };

/* The ends that the program gets; ours are in the session. */
static void close_ends(const int fds[3])
{
	for (int stream = 0; stream < 3; stream++)
		if (fds[stream] >= 0 && (stream == 0 || fds[stream] != fds[0]))
			close(fds[stream]);
}

/* @returns 0, or an errno */
static int make_pipe(int *programs, int *ours, bool reads)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	*programs = ends[reads ? 1 : 0];
	*ours = ends[reads ? 0 : 1];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
}

static int make_pipes(struct session *session, int fds[3])
{
	int error = 0;

	if (session->flags & SESSION_STDIN)
		error = make_pipe(&fds[0], &session->in, false);
	else if ((fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		error = errno;
	if (error == 0)
		error = make_pipe(&fds[1], &session->out.fd, true);
	if (error == 0)
		error = make_pipe(&fds[2], &session->err.fd, true);
	return error;
}

static bool answer(uint16_t id, int error, int step, pid_t pid)
{
	frame_begin(FRAME_STARTED, id);
	frame_u32((uint32_t)error);
	frame_u16((uint16_t)step);
	frame_u32((uint32_t)pid);
	frame_end();
	return true;
}

/* Texts, and NULL behind them. */
static char **read_texts(struct reader *payload, unsigned count, char **into)
{
	for (unsigned i = 0; i < count; i++)
		into[i] = (char *)read_text(payload);
	into[count] = NULL;
	return into + count + 1;
}

static int launch(struct session *session, struct spawn *spawn, const struct terminal_size *size)
{
	int error;

	spawn->step = STEP_RESOURCES;
	if (session->flags & SESSION_TTY) {
		spawn->step = STEP_TERMINAL;
		error = terminal_open(size, &session->out.fd, &spawn->fds[0]);
		spawn->fds[1] = spawn->fds[2] = spawn->fds[0];
	} else {
		error = make_pipes(session, spawn->fds);
	}
	if (error == 0)
		error = spawn_program(spawn, &session->pid);
	if (error == 0 && session->flags & SESSION_TTY)
		session->terminal = spawn->fds[0];
	else
		close_ends(spawn->fds);
	return error;
}

bool start(uint16_t id, struct reader *payload, int refusal)
{
	uint16_t flags = read_u16(payload);
	uint16_t cols = read_u16(payload), rows = read_u16(payload);
	uint32_t out_credit = read_u32(payload), err_credit = read_u32(payload);
	uint32_t uid = read_u32(payload), gid = read_u32(payload);
	struct terminal_size size = { .cols = cols, .rows = rows };
	struct spawn spawn = { .uid = uid, .gid = gid, .fds = { -1, -1, -1 } };
	unsigned argc, envc;

	spawn.group_count = read_u16(payload);
	if (spawn.group_count > GROUPS_MAX || session_find(id) != NULL || flags & ~KNOWN_FLAGS ||
		out_credit > OUTPUT_WINDOW_MAX || err_credit > OUTPUT_WINDOW_MAX)
		return false;
	for (unsigned i = 0; i < spawn.group_count; i++)
		spawn.groups[i] = read_u32(payload);
	argc = read_u16(payload);
	envc = read_u16(payload);
	spawn.directory = read_text(payload);
	spawn.file = read_text(payload);
	if (payload->bad || argc == 0)
		return false;

	char **texts = malloc((argc + envc + 2u) * sizeof *texts);

	if (texts == NULL)
		return answer(id, ENOMEM, STEP_RESOURCES, 0);
	spawn.argv = texts;
	spawn.env = read_texts(payload, argc, texts);
	read_texts(payload, envc, spawn.env);
	bool whole = read_whole(payload);
	struct session *session = whole && refusal == 0 ? session_new(id) : NULL;
	int error = refusal != 0 ? refusal : EAGAIN;

	spawn.step = refusal != 0 ? STEP_STATE : STEP_RESOURCES;
	if (spawn.file[0] == '\0')
		spawn.file = spawn.argv[0];
	spawn.group = flags & SESSION_MAIN ? GROUP_MAIN : GROUP_BESIDE;
	spawn.tool = flags & SESSION_TOOL;
	spawn.terminal = flags & SESSION_TTY;
	if (session != NULL) {
		session->flags = flags;
		session->attached = true;
		session->in_ends = !(flags & SESSION_STDIN);
		session->out.credit = out_credit;
		session->err.credit = err_credit;
		error = launch(session, &spawn, &size);
		if (error != 0)
			session_free(session);
	}
	free(texts);
	return whole && answer(id, error, error == 0 ? 0 : spawn.step, error == 0 ? session->pid : 0);
}
