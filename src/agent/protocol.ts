/** The numbers of docs/agent-protocol.md; rootfs/agent/protocol.h has the same, and a test compares them. */

export const PROTOCOL_VERSION = 1
/** The host's port that the agent connects to when it has booted, and the agent's, that the host connects to later. */
export const AGENT_PORT = 1024

/** u32 length of what follows, u16 type, u16 session. All numbers are little-endian. */
export const HEADER_SIZE = 8
export const FRAME_MAX = 64 * 1024
/** Arguments and environment go in one piece. */
export const START_MAX = 1024 * 1024
export const SESSIONS_MAX = 64
/** Bytes of standard input under way to one session at most. */
export const STDIN_WINDOW = 64 * 1024
/** What the agent lets itself be granted at most, for each of a session's two streams. */
export const OUTPUT_WINDOW_MAX = 1024 * 1024
export const GROUPS_MAX = 64
export const ENTROPY_MAX = 512

export const FRAME = {
  // from the agent
  hello: 1,
  configured: 2,
  started: 3,
  stdout: 4,
  stderr: 5,
  stdinCredit: 6,
  exit: 7,
  held: 8,
  attached: 9,
  down: 10,
  // from the host
  configure: 32,
  start: 33,
  stdin: 34,
  stdinEof: 35,
  stdoutCredit: 36,
  stderrCredit: 37,
  signal: 38,
  resize: 39,
  abandon: 40,
  hold: 41,
  release: 42,
  attach: 43,
  shutdown: 44,
} as const

export const HELLO = { freezer: 1, configured: 2, held: 4 } as const

/** `ended` is said by the agent alone: the program has ended, some of its output or its EXIT is still there. */
export const SESSION = { main: 1, tty: 2, tool: 4, stdin: 8, ended: 16 } as const

export const ITEM = {
  clock: 1,
  entropy: 2,
  hostname: 3,
  loopback: 4,
  network: 5,
  root: 6,
  share: 7,
  file: 8,
  disk: 9,
  prefetch: 10,
} as const

export const SHARE = { readOnly: 1 } as const
export const FILE = { ifAbsent: 1, ifPossible: 2 } as const

/** How far a START got that failed. */
export const STEP = { state: 1, resources: 2, directory: 3, user: 4, terminal: 5, execute: 6 } as const

export const EXIT_FLAG = { outOfMemory: 1 } as const
