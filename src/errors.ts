/**
 * Four families of failure, by whose fault it is, and the exit status each one ends the command with.
 * A message reads `Cannot <do what> <to which VM>: <reason>.`; the hint says what to try.
 */

/** Exit statuses of the command line, as `docker run` and `timeout` have them. */
export const EXIT = {
  timeout: 124,
  cloisterFailed: 125,
  notExecutable: 126,
  notFound: 127,
  /** 128 + SIGKILL: the memory limit was hit. */
  outOfMemory: 137,
} as const

export interface ErrorFacts {
  /** What the reader can do about it, a full sentence. */
  hint?: string
  /** Exit status of the command; 125 unless said. */
  exitCode?: number
  cause?: unknown
  /** Further facts for the structured log. */
  facts?: Record<string, unknown>
}

export class CloisterError extends Error {
  override readonly name: string = 'CloisterError'
  readonly hint: string | undefined
  readonly exitCode: number
  readonly facts: Record<string, unknown>

  constructor(message: string, { hint, exitCode = EXIT.cloisterFailed, cause, facts = {} }: ErrorFacts = {}) {
    super(message, { cause })
    this.hint = hint
    this.exitCode = exitCode
    this.facts = facts
  }
}

/** The command line, a file named on it or a setting is wrong: the user can mend it. */
export class UsageError extends CloisterError {
  override readonly name = 'UsageError'
}

/** The host lacks something or refused it: a device, a permission, a tool, memory. */
export class HostError extends CloisterError {
  override readonly name = 'HostError'
}

/** The guest did something that ends it: only that VM stops. */
export class GuestError extends CloisterError {
  override readonly name = 'GuestError'
}

/** A broken invariant of our own. */
export class BugError extends CloisterError {
  override readonly name = 'BugError'
}

/** What the kernel said about a path, in words for a person. */
const PATH_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'a part of the path is a file',
  EISDIR: 'it is a directory',
  EACCES: 'this user has no permission',
  EPERM: 'this user has no permission',
  EROFS: 'the file system is read-only',
  ELOOP: 'its symbolic links go in circles',
  ENAMETOOLONG: 'the path is too long',
  ENOSPC: 'the disk is full',
}

/** Completes "Cannot do this with PATH: ...". */
export function pathFault(error: unknown): string {
  const { code = '' } = error as NodeJS.ErrnoException
  return PATH_FAULTS[code] ?? `the host gave ${code || String(error)}`
}
