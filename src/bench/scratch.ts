/** A benchmark's own directory, gone when it ends, and the environment of everything it starts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Scratch {
  readonly directory: string
  /** Without what makes Node read certificates at every start, 50 ms: no contender opens a TLS connection. */
  readonly env: NodeJS.ProcessEnv
  /** A name that was never used before. */
  path(name: string): string
  remove(): void
}

export function makeScratch(): Scratch {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env
  let count = 0
  return {
    directory,
    env,
    path: (name) => join(directory, `${++count}-${name}`),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
