/** Whether the working directory asked for is there, by the one rule that holds at every level. */
import { statSync } from 'node:fs'
import { posix } from 'node:path'
import { pathFault, UsageError } from '../errors.ts'
import type { FileSource, VolumeSpec } from '../instance/run-spec.ts'
import { pathInVolume } from './in-volume.ts'
import { resolveLinks } from './root-lookup.ts'

/** Mounted by every level whatever the source; nothing runs in /proc or /sys, which have led out of containers. */
const ALWAYS_THERE = /^\/(dev)?$/
const KERNEL_DIRECTORIES = /^\/(proc|sys)(\/|$)/

/** @param volumes outer ones first @throws UsageError */
export function checkWorkingDirectory(source: FileSource, cwd: string, volumes: readonly VolumeSpec[] = []): void {
  if (ALWAYS_THERE.test(cwd)) return
  const inVolume = pathInVolume(cwd, volumes)
  if (inVolume !== undefined) {
    checkInVolume(inVolume, cwd)
    return
  }
  if (KERNEL_DIRECTORIES.test(cwd)) {
    throw unusable(cwd, 'nothing runs in /proc or /sys', 'Name a directory of the file tree.')
  }
  if (source.kind === 'program') checkBesideProgram(source.path, cwd)
  else checkInRoot(source.directory, cwd)
}

function checkBesideProgram(path: string, cwd: string): void {
  if (cwd === path) throw unusable(cwd, 'it is the program itself, a file', `Try --workdir ${posix.dirname(path)}.`)
  if (cwd === '/tmp' || path.startsWith(`${cwd}/`)) return
  throw unusable(
    cwd,
    'there is no such directory beside a single program',
    `There are /, /tmp and ${posix.dirname(path)}; more of them come with --rootfs DIR.`,
  )
}

function checkInRoot(directory: string, cwd: string): void {
  const { inside, exists, fault } = resolveLinks(directory, cwd)
  if (ALWAYS_THERE.test(inside)) return
  const hint = `Make it: mkdir -p ${posix.join(directory, inside)}`
  if (KERNEL_DIRECTORIES.test(inside))
    throw unusable(cwd, `it leads to ${inside}`, 'Name a directory of the file tree.')
  if (fault === 'ENOENT') throw unusable(cwd, `there is no such directory in ${directory}`, hint)
  if (!exists) throw unusable(cwd, pathFault({ code: fault }), `See: ls -l ${posix.join(directory, cwd)}`)
  if (!statSync(posix.join(directory, inside)).isDirectory()) {
    throw unusable(cwd, 'it is a file', `Try --workdir ${posix.dirname(inside)}.`)
  }
}

/** What its links lead to inside is the program's to find out. */
function checkInVolume(path: string, cwd: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) throw unusable(cwd, `there is no ${path}`, `Make it: mkdir -p ${path}`)
  if (!found.isDirectory()) throw unusable(cwd, `${path} is a file`, `Try --workdir ${posix.dirname(cwd)}.`)
}

const unusable = (cwd: string, reason: string, hint: string): UsageError =>
  new UsageError(`Cannot use ${cwd} as the working directory: ${reason}.`, { hint })
