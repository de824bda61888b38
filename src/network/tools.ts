/** `ip` and `nft`, which speak netlink better than we would; and the refusals where they, or the right to use them, lack. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { HostError } from '../errors.ts'

const PACKAGES = { ip: 'iproute2', nft: 'nftables' } as const
export type Tool = keyof typeof PACKAGES

/** The system's come first: a PATH that npm has set may lead to another program called nft, which ends with 0. */
const directories = (): string[] => ['/usr/sbin', '/sbin', '/usr/bin', '/bin', ...(process.env.PATH ?? '').split(':')]

export function findTool(tool: Tool, within: readonly string[] = directories()): string | undefined {
  return within
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, tool))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

export const packageOf = (tool: Tool): string => PACKAGES[tool]

interface Means {
  readonly uid?: number | undefined
  readonly within?: readonly string[]
}

/** @param action `create network "n1"` @throws HostError */
export function requireNetworking(action: string, tools: readonly Tool[], means: Means = {}): void {
  const { uid = process.geteuid?.(), within = directories() } = means
  if (uid !== 0) {
    throw new HostError(`Cannot ${action}: interfaces of the host are for root alone to make.`, {
      hint: 'Run the command with sudo.',
    })
  }
  const missing = tools.filter((tool) => findTool(tool, within) === undefined)
  if (missing.length === 0) return
  throw new HostError(`Cannot ${action}: this host has no ${missing.join(' and no ')}.`, {
    hint: `Install what is missing: apt-get install ${missing.map(packageOf).join(' ')}`,
  })
}

export class ToolError extends HostError {
  /** What it wrote to standard error. */
  readonly said: string

  constructor(action: string, said: string) {
    super(`Cannot ${action}: ${said}.`)
    this.said = said
  }
}

/** Lines for `ip -batch`, done in order until one fails. @throws ToolError */
export function ip(action: string, lines: readonly string[], options: readonly string[] = []): void {
  runTool(action, 'ip', [...options, '-batch', '-'], `${lines.join('\n')}\n`)
}

/** What `ip -json` answers. */
export function ipJson(action: string, words: readonly string[]): unknown[] {
  const answer = runTool(action, 'ip', ['-json', ...words])
  return answer.trim() === '' ? [] : (JSON.parse(answer) as unknown[])
}

/** All of the script or nothing of it. @throws ToolError */
export function nft(action: string, script: string): void {
  runTool(action, 'nft', ['-f', '-'], script)
}

function runTool(action: string, tool: Tool, words: readonly string[], input = ''): string {
  const path = findTool(tool) ?? tool
  const { status, stdout, stderr, error } = spawnSync(path, words, {
    input,
    encoding: 'utf8',
    env: { PATH: directories().join(':'), LC_ALL: 'C' },
    maxBuffer: 2 ** 26,
  })
  if (status === 0) return stdout
  const said = (stderr ?? '')
    .split('\n')
    .map((line) => line.trim().replace(/^(RTNETLINK answers|Error): /, ''))
    .filter((line) => line !== '' && !line.startsWith('Command failed'))
  throw new ToolError(action, said[0]?.replace(/\.$/, '') ?? `${tool} ${error?.message ?? `gave status ${status}`}`)
}
