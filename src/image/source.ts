/**
 * From the words on the command line to what runs: which files, which program in them, and whether it can run at
 * the level asked for. Everything that can be known before a start is said here, in one line.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs'
import { posix } from 'node:path'
import { EXIT, pathFault, UsageError } from '../errors.ts'
import type { FileSource, Isolation, VolumeSpec } from '../instance/run-spec.ts'
import { type FileBytes, type Program, readProgram } from './elf-program.ts'
import { pathInVolume } from './in-volume.ts'
import { findInRoot, resolveLinks } from './root-lookup.ts'

export interface SourceRequest {
  readonly isolation: Isolation
  /** SOURCE and its arguments; with a root directory the command and its arguments. */
  readonly operands: readonly string[]
  readonly rootfs?: string
  /** Inside; where a relative program path of a root directory starts, and what PATH is searched. */
  readonly cwd: string
  readonly searchPath: string
  /** A program of a root directory may be in one of them; outer ones first. */
  readonly volumes?: readonly VolumeSpec[]
}

export interface ResolvedSource {
  readonly source: FileSource
  /** Path inside. */
  readonly program: string
  readonly argv: readonly string[]
}

/** @throws UsageError with status 126 or 127, as a shell has them, when the program cannot be run. */
export const resolveSource = (request: SourceRequest): ResolvedSource =>
  request.rootfs === undefined ? singleProgram(request) : programInRoot(request, request.rootfs)

function singleProgram({ operands, isolation }: SourceRequest): ResolvedSource {
  const [typed = '', ...following] = operands
  if (!/^[./]/.test(typed)) {
    throw new UsageError(`Cannot run ${JSON.stringify(typed)}: it names an image, and images are not supported yet.`, {
      hint: `A path begins with "/" or ".": ./${typed}, or name a root directory with --rootfs.`,
      exitCode: EXIT.cloisterFailed,
    })
  }
  const path = posix.resolve(typed)
  checkFile(typed, path)
  checkAlone(typed, inspect(typed, path), isolation)
  checkExecutable(typed, path)
  const args = following[0] === '--' ? following.slice(1) : following
  return { source: { kind: 'program', hostPath: path, path }, program: path, argv: [typed, ...args] }
}

function programInRoot(
  { operands, isolation, cwd, searchPath, volumes = [] }: SourceRequest,
  rootfs: string,
): ResolvedSource {
  const [program = ''] = operands
  const directory = realDirectory(rootfs)
  const inVolume = program.includes('/') ? pathInVolume(posix.resolve('/', cwd, program), volumes) : undefined
  const found = inVolume ?? findInRoot(directory, program, { cwd, searchPath })
  if (found === undefined) throw notInRoot(program, { directory, rootfs, cwd, searchPath })
  checkFile(program, found)
  const kind = inspect(program, found)
  checkProgram(program, kind)
  if (isolation === 'unikernel') checkUnikernelInRoot(program, kind)
  checkExecutable(program, found)
  return { source: { kind: 'rootfs', directory }, program, argv: operands }
}

function notInRoot(
  program: string,
  { directory, rootfs, cwd, searchPath }: { directory: string; rootfs: string; cwd: string; searchPath: string },
): UsageError {
  const isPath = program.includes('/')
  const fault = isPath ? resolveLinks(directory, posix.resolve('/', cwd, program)).fault : 'ENOENT'
  if (fault === 'ENOENT' || fault === undefined) {
    const where = isPath ? rootfs : `${searchPath} of ${rootfs}`
    return new UsageError(`Cannot run ${program}: there is no such file in ${where}.`, {
      hint: isPath ? `It is looked up inside ${rootfs}.` : `Name it by its path inside ${rootfs}.`,
      exitCode: EXIT.notFound,
    })
  }
  return notExecutable(
    `Cannot run ${program}: ${pathFault({ code: fault })}, inside ${rootfs}.`,
    `See: ls -l ${posix.join(rootfs, program)}`,
  )
}

/** Nothing but the program is there: no interpreter, no loader, no libraries. */
function checkAlone(typed: string, program: Program, isolation: Isolation): void {
  checkProgram(typed, program)
  if (program.kind === 'script') {
    throw notExecutable(
      `Cannot run ${typed}: it is a script (#! ${program.interpreter}).`,
      'Run its interpreter from a root directory with --rootfs.',
    )
  }
  if (program.kind === 'elf' && program.linkage === 'dynamic') {
    const remedy =
      isolation === 'unikernel' ? ', or run it with --isolation container --rootfs DIR' : ', or give --rootfs DIR'
    throw notExecutable(
      `Cannot run ${typed}: it is dynamically linked, and ${program.interpreter} and its libraries are not inside.`,
      `Build it with -static${remedy}.`,
    )
  }
}

function checkUnikernelInRoot(typed: string, program: Program): void {
  if (program.kind === 'script') {
    throw notExecutable(
      `Cannot run ${typed}: it is a script (#! ${program.interpreter}), and a unikernel runs one ELF program.`,
      `Run its interpreter: ... --rootfs DIR ${program.interpreter} ${typed}`,
    )
  }
  if (program.kind === 'elf' && program.linkage === 'dynamic') {
    throw notExecutable(
      `Cannot run ${typed}: it is dynamically linked (${program.interpreter}), and a unikernel runs static programs only.`,
      'Build it with -static, or run it with --isolation container.',
    )
  }
}

function checkProgram(typed: string, program: Program): void {
  if (program.kind === 'unfit') throw notExecutable(`Cannot run ${typed}: it is ${program.reason}.`)
}

function checkFile(typed: string, path: string): void {
  const stat = statusOf(typed, path)
  if (stat.isDirectory()) {
    const hint = path === posix.resolve(typed) ? `For a root directory: --rootfs ${typed} CMD` : undefined
    throw notExecutable(`Cannot run ${typed}: it is a directory.`, hint)
  }
  if (!stat.isFile()) throw notExecutable(`Cannot run ${typed}: it is not a regular file.`)
}

function statusOf(typed: string, path: string): Stats {
  try {
    return statSync(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new UsageError(`Cannot run ${typed}: there is no such file.`, { exitCode: EXIT.notFound, cause })
    }
    throw notExecutable(`Cannot run ${typed}: ${pathFault(cause)}.`, `See: ls -l ${path}`, cause)
  }
}

/** Asked last: a file that is no program does not become one by chmod. */
function checkExecutable(typed: string, path: string): void {
  try {
    accessSync(path, constants.X_OK)
  } catch {
    throw notExecutable(`Cannot run ${typed}: it is not executable.`, `Make it so: chmod +x ${path}`)
  }
}

function inspect(typed: string, path: string): Program {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (cause) {
    throw notExecutable(`Cannot run ${typed}: it cannot be read: ${pathFault(cause)}.`, `See: ls -l ${path}`, cause)
  }
  try {
    return readProgram(fileBytes(fd))
  } finally {
    closeSync(fd)
  }
}

const fileBytes = (fd: number): FileBytes => ({
  size: fstatSync(fd).size,
  read(offset, length) {
    const bytes = new Uint8Array(length)
    return bytes.subarray(0, readSync(fd, bytes, 0, length, offset))
  },
})

function realDirectory(rootfs: string): string {
  let directory: string
  try {
    directory = realpathSync(rootfs)
  } catch (cause) {
    throw new UsageError(`Cannot use ${rootfs} as the root directory: ${pathFault(cause)}.`, {
      hint: '--rootfs takes a directory of the host that holds the files of a system: bin, lib, etc.',
      cause,
    })
  }
  if (statSync(directory).isDirectory()) return directory
  throw new UsageError(`Cannot use ${rootfs} as the root directory: it is a file.`, {
    hint: `To run one program, leave --rootfs away: cloister run ${rootfs}`,
  })
}

const notExecutable = (message: string, hint?: string, cause?: unknown): UsageError =>
  new UsageError(message, { ...(hint === undefined ? {} : { hint }), exitCode: EXIT.notExecutable, cause })
