/** The fields of an `exec` request. */
import { UsageError } from '../errors.ts'
import { type ExecSpec, GUEST_TOOLS } from '../instance/exec.ts'
import type { TerminalSize } from '../instance/instance.ts'
import type { UserSpec } from '../instance/run-spec.ts'
import { object, strings, WINDOW_MAX, wholeNumber } from './fields.ts'

/** All ones stands for "no change" in the kernel's calls. */
const ID_MAX = 0xffff_fffe

type Fields = Readonly<Record<string, unknown>>

/** @throws UsageError */
export function parseExec(asked: Fields): ExecSpec {
  const argv = strings(asked, 'argv')
  const tool = parseTool(asked.tool)
  if (tool === undefined && (argv[0] ?? '') === '') throw new UsageError('Cannot read the request: "argv" is empty.')
  return {
    argv,
    ...(tool === undefined ? {} : { tool }),
    env: strings(asked, 'env'),
    ...(asked.cwd === undefined ? {} : { cwd: parsePath(asked.cwd) }),
    ...(asked.user === undefined ? {} : { user: parseUser(object(asked, 'user')) }),
    interactive: asked.interactive === true,
    ...(asked.tty === undefined ? {} : { tty: parseSize(object(asked, 'tty')) }),
  }
}

/** @throws UsageError */
export const parseSize = (fields: Fields | null): TerminalSize => ({
  cols: wholeNumber(fields, 'cols', 1, WINDOW_MAX),
  rows: wholeNumber(fields, 'rows', 1, WINDOW_MAX),
})

const parseUser = (fields: Fields): UserSpec => ({
  uid: wholeNumber(fields, 'uid', 0, ID_MAX),
  gid: wholeNumber(fields, 'gid', 0, ID_MAX),
})

function parseTool(asked: unknown): ExecSpec['tool'] {
  const tool = GUEST_TOOLS.find((one) => one === asked)
  if (asked !== undefined && tool === undefined) throw new UsageError('Cannot read the request: there is no such tool.')
  return tool
}

function parsePath(asked: unknown): string {
  if (typeof asked === 'string' && asked.startsWith('/') && !asked.includes('\0')) return asked
  throw new UsageError('Cannot read the request: "cwd" must be a path that begins with "/".')
}
