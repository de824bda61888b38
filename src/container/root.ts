/**
 * The root directory of a container: an overlay of what the user gave (below, never written) and a directory that
 * goes away with the instance. For a single program the lower tree is a small one of our own.
 */
import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { HostError } from '../errors.ts'
import type { RunSpec, Source } from '../instance/run-spec.ts'
import { type OciMount, readOnlyFile } from './mounts.ts'

/** Names below the container's directory; the overlay is mounted with these as relative paths. */
export const LAYERS = { lower: 'lower', upper: 'upper', work: 'work', root: 'root' } as const

export interface PreparedRoot {
  readonly mounts: readonly OciMount[]
  /** argv[0] such that a lookup from the working directory finds the program. */
  readonly program: string
}

export function prepareRoot(spec: RunSpec, directory: string): PreparedRoot {
  const lower = join(directory, LAYERS.lower)
  const prepared =
    spec.source.kind === 'program' ? programRoot(spec, spec.source, lower) : givenRoot(spec, spec.source, lower)
  for (const name of [LAYERS.upper, LAYERS.work, LAYERS.root]) mkdirSync(join(directory, name))
  // The root directory inside has the owner and mode of the topmost layer.
  const { uid, gid, mode } = statSync(lower)
  chownSync(join(directory, LAYERS.upper), uid, gid)
  chmodSync(join(directory, LAYERS.upper), mode & 0o7777)
  return prepared
}

/** A symbolic link, so that no character of the path can be taken for an option of the mount. */
function givenRoot(spec: RunSpec, { directory }: Extract<Source, { kind: 'rootfs' }>, lower: string): PreparedRoot {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new HostError(`Cannot use ${directory} as the root of "${spec.name}": it is not a directory.`)
  }
  symlinkSync(resolve(directory), lower)
  return { mounts: [], program: spec.argv[0] ?? spec.program }
}

function programRoot(spec: RunSpec, source: Extract<Source, { kind: 'program' }>, lower: string): PreparedRoot {
  for (const name of ['', 'dev', 'etc', 'proc', 'root', 'sys']) mkdirSync(join(lower, name), { mode: 0o755 })
  mkdirSync(join(lower, 'tmp'))
  chmodSync(join(lower, 'tmp'), 0o1777)
  writeFileSync(join(lower, 'etc/passwd'), 'root:x:0:0:root:/root:/\n')
  writeFileSync(join(lower, 'etc/group'), 'root:x:0:\n')
  return { mounts: [readOnlyFile(source.hostPath, source.path)], program: argumentZero(spec, source.path, lower) }
}

/**
 * A runtime takes one word for the file to execute and for argv[0]. When the user typed `./prog`, a link makes that
 * word lead to the program from the working directory inside too.
 */
function argumentZero({ argv, cwd, program }: RunSpec, path: string, lower: string): string {
  const typed = argv[0] ?? program
  if (program !== path) return program
  if (typed.startsWith('/')) return typed
  const link = resolve(cwd, typed)
  if (!typed.includes('/') || /^\/(dev|proc|sys)\//.test(link)) return program
  if (link === path) return typed
  if (path.startsWith(`${link}/`) || link.startsWith(`${path}/`)) return program
  try {
    mkdirSync(join(lower, dirname(link)), { recursive: true })
    symlinkSync(path, join(lower, link))
    return typed
  } catch {
    return program
  }
}
