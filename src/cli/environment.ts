/** The environment of the program: defaults, then files, then `-e`, later ones winning. */
import { readFileSync } from 'node:fs'
import { pathFault, UsageError } from '../errors.ts'

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

interface EnvironmentRequest extends VariablesRequest {
  readonly name: string
  /** Of the program's user. */
  readonly home?: string
}

interface VariablesRequest {
  readonly variables: readonly string[]
  readonly files: readonly string[]
  /** The caller's own, for `-e K`. */
  readonly host?: Readonly<Record<string, string | undefined>>
}

/** @returns `K=V` strings, each K once. */
export function programEnvironment({ name, home = '/root', ...request }: EnvironmentRequest): string[] {
  const defaults = [`PATH=${DEFAULT_PATH}`, `HOME=${home}`, `HOSTNAME=${name}`]
  return [...new Map([...defaults, ...variables(request)].map((entry) => [entry.split('=', 1)[0], entry])).values()]
}

/** What was asked for, without the defaults. @returns `K=V` strings, each K once @throws UsageError */
export function variables({ variables, files, host = process.env }: VariablesRequest): string[] {
  const environment = new Map<string, string>()
  for (const entry of [...files.flatMap(readEnvFile), ...variables]) {
    const equals = entry.indexOf('=')
    const key = equals === -1 ? entry : entry.slice(0, equals)
    const value = equals === -1 ? host[key] : entry.slice(equals + 1)
    if (key === '' || entry.includes('\0')) {
      throw new UsageError(`Cannot set the variable ${JSON.stringify(entry)}: it has no name.`, {
        hint: 'Write -e NAME=value.',
      })
    }
    if (value !== undefined) environment.set(key, value)
  }
  return [...environment].map(([key, value]) => `${key}=${value}`)
}

/** Lines as `-e` takes them; empty ones and those beginning with `#` do not count. */
function readEnvFile(file: string): string[] {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new UsageError(`Cannot read variables from ${file}: ${pathFault(cause)}.`, {
      hint: '--env-file takes a file with one K=V or K a line.',
      cause,
    })
  }
  return content.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'))
}
