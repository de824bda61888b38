/* What the agent and the host say to each other: docs/agent-protocol.md. src/agent/protocol.ts has the same numbers. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

enum {
	PROTOCOL_VERSION = 1,
	/* The host's port that the agent connects to when it has booted, and its own, that the host connects to later. */
	AGENT_PORT = 1024,
};

/* Every frame: u32 length of what follows the header, u16 type, u16 session (0: none). All numbers little-endian. */
enum {
	HEADER_SIZE = 8,
	FRAME_MAX = 64 * 1024,
	/* Arguments and environment come in one piece. */
	START_MAX = 1024 * 1024,
	SESSIONS_MAX = 64,
	/* Bytes of standard input under way to one session at most. */
	STDIN_WINDOW = 64 * 1024,
	/* Ungranted bytes that the host may hold out to a session, for each of its two streams. */
	OUTPUT_WINDOW_MAX = 1024 * 1024,
	GROUPS_MAX = 64,
	ENTROPY_MAX = 512,
};

enum frame_type {
	/* from the agent */
	FRAME_HELLO = 1,
	FRAME_CONFIGURED = 2,
	FRAME_STARTED = 3,
	FRAME_STDOUT = 4,
	FRAME_STDERR = 5,
	FRAME_STDIN_CREDIT = 6,
	FRAME_EXIT = 7,
	FRAME_HELD = 8,
	FRAME_ATTACHED = 9,
	FRAME_DOWN = 10,
	/* from the host */
	FRAME_CONFIGURE = 32,
	FRAME_START = 33,
	FRAME_STDIN = 34,
	FRAME_STDIN_EOF = 35,
	FRAME_STDOUT_CREDIT = 36,
	FRAME_STDERR_CREDIT = 37,
	FRAME_SIGNAL = 38,
	FRAME_RESIZE = 39,
	FRAME_ABANDON = 40,
	FRAME_HOLD = 41,
	FRAME_RELEASE = 42,
	FRAME_ATTACH = 43,
	FRAME_SHUTDOWN = 44,
};

enum hello_flag {
	HELLO_FREEZER = 1,
	HELLO_CONFIGURED = 2,
	HELLO_HELD = 4,
};

enum session_flag {
	SESSION_MAIN = 1,
	SESSION_TTY = 2,
	SESSION_TOOL = 4,
	SESSION_STDIN = 8,
	/* Said by the agent alone: its program has ended, some of its output or its EXIT is still here. */
	SESSION_ENDED = 16,
};

/* One step of CONFIGURE or RELEASE: u16 kind, u32 length, and so many bytes. */
enum item_kind {
	ITEM_CLOCK = 1,
	ITEM_ENTROPY = 2,
	ITEM_HOSTNAME = 3,
	ITEM_LOOPBACK = 4,
	ITEM_NETWORK = 5,
	ITEM_ROOT = 6,
	ITEM_SHARE = 7,
	ITEM_FILE = 8,
	ITEM_DISK = 9,
	ITEM_PREFETCH = 10,
};

enum item_flag {
	SHARE_READ_ONLY = 1,
	FILE_IF_ABSENT = 1,
	FILE_IF_POSSIBLE = 2,
};

/* How far a START got that failed. */
enum start_step {
	STEP_STATE = 1,
	STEP_RESOURCES = 2,
	STEP_DIRECTORY = 3,
	STEP_USER = 4,
	STEP_TERMINAL = 5,
	STEP_EXECUTE = 6,
};

enum exit_flag {
	EXIT_OUT_OF_MEMORY = 1,
};

#endif
