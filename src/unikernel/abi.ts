/** guest-kernel/include/abi.h in TypeScript; a test compiles that file and compares. */

export const PORT = { stdio: 0, stderr: 1, control: 2 } as const

export const MESSAGE = {
  args: 1,
  stdinEnd: 2,
  signal: 3,
  hold: 4,
  release: 5,
  ready: 16,
  started: 17,
  log: 18,
  exit: 19,
  held: 20,
} as const

export const MESSAGE_HEADER_SIZE = 8
export const MESSAGE_MAX = 1 << 20

export const ARGS = { stdin: 1, stdinTty: 2, stdoutTty: 4, stderrTty: 8, tty: 16 } as const
export const ARGS_HEADER_SIZE = 16

/** struct cloister_release. */
export const RELEASE = {
  entropy: 0,
  realtime: 32,
  mac: 40,
  flags: 46,
  address: 48,
  netmask: 52,
  gateway: 56,
  hostname: 64,
  bytes: 128,
} as const
export const ENTROPY_BYTES = 32
export const RELEASE_FLAG = { network: 1 } as const

export const EXIT_MESSAGE_SIZE = 12
export const EXIT_REASON = { program: 0, notExecutable: 1, notFound: 2, outOfMemory: 3 } as const
