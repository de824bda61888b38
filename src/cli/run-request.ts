/** From the options of `run` to a RunSpec, all of it checked before anything is made. */
import { posix } from 'node:path'
import { UsageError } from '../errors.ts'
import { homeOf } from '../image/home-directory.ts'
import { type ResolvedSource, resolveSource, type SourceRequest } from '../image/source.ts'
import { checkWorkingDirectory } from '../image/working-directory.ts'
import { ISOLATION_LEVELS, type Isolation, type RunSpec, type UserSpec, type VolumeSpec } from '../instance/run-spec.ts'
import { flag, list, type ParsedArguments, text } from './command.ts'
import { DEFAULT_PATH, programEnvironment } from './environment.ts'
import { kernelRequest } from './kernel-request.ts'
import { parseDisks } from './parse-disks.ts'
import { parseNetwork } from './parse-network.ts'
import { parseUser } from './parse-user.ts'
import { parseVolumes } from './parse-volumes.ts'
import { parseSize, parseWhole } from './quantities.ts'

export const DEFAULT_MEMORY = '128M'
/** Below this neither a guest kernel nor a container runtime gets anywhere. */
const LEAST_MEMORY = 4 * 2 ** 20
const PAGE_SIZE = 4096
const MOST_CPUS = 64

/** The name is the instance store's to give: the rest of the request is ready before it is asked. */
export function runRequest(parsed: ParsedArguments): (name: string) => RunSpec {
  const rootfs = text(parsed, 'rootfs')
  const isolation = parseIsolation(text(parsed, 'isolation'), rootfs)
  const cwd = parseWorkdir(text(parsed, 'workdir') ?? '/')
  const environment = { variables: list(parsed, 'env'), files: list(parsed, 'env-file') }
  const searchPath = programEnvironment({ name: '', ...environment }).find((entry) => entry.startsWith('PATH='))
  const trace = parseTrace(text(parsed, 'trace'), isolation)
  if (trace && trace.file === undefined && flag(parsed, 'detach')) {
    throw new UsageError('Cannot trace the exits of a detached instance to standard error: it has none.', {
      hint: 'Write --trace exits:FILE.',
    })
  }
  const [kernel, initrd, append] = [text(parsed, 'kernel'), text(parsed, 'initrd'), text(parsed, 'append')]
  if (isolation === 'container' && (kernel ?? initrd ?? append) !== undefined) {
    throw new UsageError('Cannot boot a kernel in a container: it shares that of the host.', {
      hint: '--kernel, --initrd and --append go with --isolation microvm or unikernel.',
    })
  }
  const disks = parseDisks(list(parsed, 'disk'), isolation)
  const volumes = parseVolumes(list(parsed, 'volume'), isolation, disks.length)
  const network = text(parsed, 'net')
  const user = userAsked(text(parsed, 'user'), isolation)
  const resolved =
    kernelRequest(parsed, isolation) ??
    withWorkdir(cwd, volumes, {
      isolation,
      operands: parsed.operands,
      ...(rootfs === undefined ? {} : { rootfs }),
      cwd,
      volumes,
      searchPath: searchPath?.slice('PATH='.length) ?? DEFAULT_PATH,
    })
  const rest = {
    isolation,
    ...resolved,
    cwd,
    memoryBytes: parseMemory(text(parsed, 'memory') ?? DEFAULT_MEMORY),
    cpus: parseWhole(text(parsed, 'cpus') ?? '1', { what: 'the number of processors', min: 1, max: MOST_CPUS }),
    interactive: flag(parsed, 'interactive'),
    ...(flag(parsed, 'tty') ? { tty: true } : {}),
    ...(user === undefined ? {} : { user }),
    ...(network === undefined ? {} : { network: parseNetwork(network, isolation) }),
    ...(volumes.length === 0 ? {} : { volumes }),
    ...(disks.length === 0 ? {} : { disks }),
    ...(kernel === undefined ? {} : { kernel: posix.resolve(kernel) }),
    ...(initrd === undefined ? {} : { initrd: posix.resolve(initrd) }),
    ...(append === undefined ? {} : { append }),
    ...(trace === undefined ? {} : { trace }),
    ...(flag(parsed, 'cold') ? { cold: true } : {}),
  }
  const home = user === undefined ? {} : { home: homeOf(resolved.source, user.uid) }
  return (name) => ({ name, ...rest, env: programEnvironment({ name, ...home, ...environment }) })
}

function withWorkdir(cwd: string, volumes: readonly VolumeSpec[], request: SourceRequest): ResolvedSource {
  const resolved = resolveSource(request)
  checkWorkingDirectory(resolved.source, cwd, volumes)
  return resolved
}

/** Never a weaker wall than asked for: where the level cannot run it refuses. */
export function parseIsolation(asked: string | undefined, rootfs: string | undefined): Isolation {
  if (asked === undefined) return rootfs === undefined ? 'unikernel' : 'microvm'
  const level = ISOLATION_LEVELS.find((candidate) => candidate === asked)
  if (level) return level
  throw new UsageError(`Cannot run at isolation "${asked}": there is no such level.`, {
    hint: `The levels are ${ISOLATION_LEVELS.join(', ')}.`,
  })
}

function userAsked(asked: string | undefined, isolation: Isolation): UserSpec | undefined {
  const user = asked === undefined ? undefined : parseUser(asked)
  if (isolation !== 'unikernel' || user === undefined || (user.uid === 0 && user.gid === 0)) return user
  throw new UsageError(`Cannot run as user ${asked} in a unikernel: it has one program and no users.`, {
    hint: 'Users are kept apart by --isolation microvm or container.',
  })
}

export function parseMemory(asked: string): number {
  const bytes = parseSize(asked)
  // Memory comes in pages.
  if (bytes >= LEAST_MEMORY) return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE
  throw new UsageError(`Cannot run in ${asked} of memory: that is less than 4M.`, {
    hint: 'A bare number is bytes: write --memory 128M.',
  })
}

export function parseWorkdir(asked: string): string {
  // Without the slash at the end, which normalize keeps.
  if (asked.startsWith('/')) return posix.resolve(asked)
  throw new UsageError(`Cannot use "${asked}" as the working directory: it must begin with "/".`, {
    hint: 'It is a path inside, not one of the host.',
  })
}

function parseTrace(asked: string | undefined, isolation: Isolation): RunSpec['trace'] {
  if (asked === undefined) return undefined
  const match = /^exits(?::(.+))?$/s.exec(asked)
  if (!match) {
    throw new UsageError(`Cannot trace "${asked}": only exits can be traced.`, {
      hint: 'Write --trace exits or --trace exits:FILE.',
    })
  }
  if (isolation === 'container') {
    throw new UsageError('Cannot trace the exits of a container: it has none, it runs on the host kernel.', {
      hint: '--trace exits goes with --isolation microvm or unikernel.',
    })
  }
  return { kind: 'exits', ...(match[1] === undefined ? {} : { file: posix.resolve(match[1]) }) }
}
