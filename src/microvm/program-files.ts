/** The files that the start of a program reads, as far as they are known from outside: paths inside, links followed. */
import { posix } from 'node:path'
import { findInRoot } from '../image/root-lookup.ts'
import type { FileSource, RunSpec } from '../instance/run-spec.ts'

export function programFiles(source: FileSource, { program, cwd, env }: RunSpec): string[] {
  if (source.kind === 'program') return [source.path]
  const searchPath = env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? ''
  const found = findInRoot(source.directory, program, { cwd, searchPath })
  return found === undefined ? [] : [`/${posix.relative(source.directory, found)}`]
}
