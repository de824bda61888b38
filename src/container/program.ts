/**
 * Whether the kernel will execute the program of a spec. Its source was checked before it got here; what is checked
 * again is what a runtime would answer in words of its own or with a status that a program could have given.
 * execve(2)
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { EXIT } from '../errors.ts'
import { type Program, readProgram } from '../image/elf-program.ts'
import { pathInVolume } from '../image/in-volume.ts'
import { findInRoot } from '../image/root-lookup.ts'
import type { ExitResult } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'

/** How the run ends before it starts, or undefined when nothing stands in its way. */
export function findObstacle(spec: RunSpec): ExitResult | undefined {
  const file = locate(spec, spec.program)
  const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })
  if (file === undefined || !stat) return obstacle(spec, EXIT.notFound, 'there is no such file in its root')
  if (stat.isDirectory()) return obstacle(spec, EXIT.notExecutable, 'it is a directory')
  if (!stat.isFile()) return obstacle(spec, EXIT.notExecutable, 'it is not a regular file')
  if ((stat.mode & 0o111) === 0) return obstacle(spec, EXIT.notExecutable, 'it is not executable')
  const program = inspect(file)
  if (program.kind === 'unfit') return obstacle(spec, EXIT.notExecutable, `it is ${program.reason}`)
  const interpreter = interpreterOf(program)
  if (interpreter === undefined || (spec.source.kind === 'rootfs' && locate(spec, interpreter))) return undefined
  return obstacle(spec, EXIT.notFound, `its interpreter ${interpreter} is not in its root`)
}

function locate({ source, env, cwd, program, volumes = [] }: RunSpec, path: string): string | undefined {
  if (source.kind === 'program') return path === program ? source.hostPath : undefined
  if (source.kind === 'kernel') return undefined
  const inVolume = path.includes('/') ? pathInVolume(posix.resolve('/', cwd, path), volumes) : undefined
  if (inVolume !== undefined) return existsSync(inVolume) ? inVolume : undefined
  const searchPath = env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? ''
  return findInRoot(source.directory, path, { cwd, searchPath })
}

/** The path that the kernel would execute first. */
function interpreterOf(program: Program): string | undefined {
  if (program.kind === 'script') return program.interpreter.split(/[ \t]/, 1)[0]
  return program.kind === 'elf' && program.linkage === 'dynamic' ? program.interpreter : undefined
}

function inspect(file: string): Program {
  const fd = openSync(file, 'r')
  try {
    return readProgram({
      size: fstatSync(fd).size,
      read(offset, length) {
        const bytes = new Uint8Array(length)
        return bytes.subarray(0, readSync(fd, bytes, 0, length, offset))
      },
    })
  } finally {
    closeSync(fd)
  }
}

const obstacle = ({ program }: RunSpec, exitCode: number, reason: string): ExitResult => ({
  exitCode,
  report: `Cannot run ${program}: ${reason}.`,
})
