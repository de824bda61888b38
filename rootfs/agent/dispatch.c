#include "dispatch.h"

#include <errno.h>
#include <sys/utsname.h>

#include "boot.h"
#include "configure.h"
#include "finish.h"
#include "freezer.h"
#include "link.h"
#include "mounts.h"
#include "session.h"
#include "start.h"

static bool configured, held;

bool is_held(void)
{
	return held;
}

void say_hello(void)
{
	struct utsname name;
	uint16_t flags = (uint16_t)((freezer_is_there() ? HELLO_FREEZER : 0) | (configured ? HELLO_CONFIGURED : 0) |
		(held ? HELLO_HELD : 0));

	uname(&name);
	frame_begin(FRAME_HELLO, 0);
	frame_u16(PROTOCOL_VERSION);
	frame_u16(flags);
	frame_u16((uint16_t)session_count());
	for (struct session *session = NULL; (session = session_next(session)) != NULL;) {
		frame_u16(session->id);
		frame_u16(session_flags(session));
		frame_u32((uint32_t)session->pid);
	}
	frame_text(name.release);
	frame_text(boot_lacks());
	frame_end();
}

void connection_lost(void)
{
	for (struct session *session = NULL; (session = session_next(session)) != NULL;) {
		session->attached = false;
		if (!held && !(session->flags & SESSION_MAIN))
			session_abandon(session);
	}
}

/* @returns whether the frame is well-formed */
static bool do_configure(struct reader *payload)
{
	struct failure failure = { 0, "" };

	if (!configure(payload, &failure))
		return false;
	frame_begin(FRAME_CONFIGURED, 0);
	frame_u32((uint32_t)failure.error);
	frame_text(failure.what);
	frame_end();
	configured = failure.error == 0;
	return true;
}

static bool do_hold(struct reader *payload)
{
	int error = 0;

	if (!read_whole(payload))
		return false;
	if (!held)
		error = freezer_freeze();
	held = error == 0;
	if (held)
		mounts_sync();
	frame_begin(FRAME_HELD, 0);
	frame_u32((uint32_t)error);
	frame_end();
	return true;
}

/* Who it is now comes first, then whoever was not asked for is told to end, then all of them go on. */
static bool do_release(struct reader *payload)
{
	if (!do_configure(payload))
		return false;
	if (!configured || !held)
		return true;
	for (struct session *session = NULL; (session = session_next(session)) != NULL;)
		if (!session->attached && !(session->flags & SESSION_MAIN))
			session_abandon(session);
	held = false;
	freezer_thaw();
	return true;
}

static bool do_shutdown(struct reader *payload)
{
	if (!read_whole(payload))
		return false;
	if (held)
		freezer_thaw();
	held = false;
	finish_begin(true);
	return true;
}

static bool for_all(uint16_t type, struct reader *payload)
{
	switch (type) {
	case FRAME_CONFIGURE: return !held && do_configure(payload);
	case FRAME_HOLD: return do_hold(payload);
	case FRAME_RELEASE: return do_release(payload);
	case FRAME_SHUTDOWN: return do_shutdown(payload);
	default: return false;
	}
}

static bool do_attach(struct session *session, struct reader *payload)
{
	uint32_t out = read_u32(payload), err = read_u32(payload);

	return read_whole(payload) && session_attach(session, out, err);
}

static bool for_session(struct session *session, uint16_t type, struct reader *payload)
{
	switch (type) {
	case FRAME_STDIN: return session_input(session, payload);
	case FRAME_STDIN_EOF: session_input_ends(session); return read_whole(payload);
	case FRAME_STDOUT_CREDIT: return session_grant(&session->out, payload);
	case FRAME_STDERR_CREDIT: return session_grant(&session->err, payload);
	case FRAME_SIGNAL: return session_signal(session, payload);
	case FRAME_RESIZE: return session_resize(session, payload);
	case FRAME_ABANDON: session_abandon(session); return read_whole(payload);
	case FRAME_ATTACH: return do_attach(session, payload);
	default: return false;
	}
}

bool handle_frame(uint16_t type, uint16_t id, struct reader payload)
{
	if (id == 0)
		return for_all(type, &payload);
	if (type == FRAME_START)
		return start(id, &payload, held ? EBUSY : !configured ? ECANCELED : finishing() ? ESHUTDOWN : 0);
	struct session *session = session_find(id);

	if (session != NULL)
		return for_session(session, type, &payload);
	/* It has ended, and the host does not know yet. One that the host remembers from before is told that it's over. */
	if (type == FRAME_ATTACH)
		session_deny(id);
	return type >= FRAME_STDIN && type <= FRAME_ATTACH && (type < FRAME_HOLD || type == FRAME_ATTACH);
}
