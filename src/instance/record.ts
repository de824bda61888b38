/** What an instance directory says: `config.json` is what was asked, `state.json` what is. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExitResult, InstanceDescription } from './instance.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { ISOLATION_LEVELS, type RunSpec } from './run-spec.ts'

export interface InstanceConfig {
  readonly spec: RunSpec
  /** ISO 8601. */
  readonly createdAt: string
  /** `--rm`: the record goes when the instance has ended. */
  readonly removeOnExit: boolean
  /** Runs by itself (`-d`); otherwise it ends with the command that started it. */
  readonly detached: boolean
}

/** `crashed`: its Cloister process died without saying how the program ended. */
const STATUSES = ['running', 'paused', 'exited', 'crashed'] as const
export type InstanceStatus = (typeof STATUSES)[number]

/** Whether its process is there, going by the record. */
export const isLive = ({ status }: InstanceState): boolean => status === 'running' || status === 'paused'

export interface InstanceState extends Partial<ExitResult> {
  readonly status: InstanceStatus
  /** The process that holds the instance: its VMM, or the one that waits for its container. */
  readonly owner: ProcessIdentity
  /** ISO 8601; for a crashed one, when that was noticed. */
  readonly finishedAt?: string
}

export interface InstanceRecord {
  readonly name: string
  readonly directory: string
  readonly config: InstanceConfig
  readonly state: InstanceState
}

/** Undefined when the directory is gone or its files are no record of ours. */
export function readRecord(directory: string, name: string): InstanceRecord | undefined {
  try {
    const config = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as InstanceConfig
    const state = JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8')) as InstanceState
    return isConfig(config) && isState(state) ? { name, directory, config, state } : undefined
  } catch {
    return undefined
  }
}

/** What those rely on who list and sweep instances: one damaged record must not keep them from the others. */
const isConfig = ({ spec, createdAt }: InstanceConfig): boolean =>
  typeof createdAt === 'string' &&
  typeof spec.name === 'string' &&
  ISOLATION_LEVELS.includes(spec.isolation) &&
  Array.isArray(spec.argv) &&
  spec.argv.every((word) => typeof word === 'string')

const isState = ({ status, owner, exitCode = 0, report = '' }: InstanceState): boolean =>
  STATUSES.includes(status) &&
  Number.isSafeInteger(owner.pid) &&
  typeof owner.startTime === 'string' &&
  typeof exitCode === 'number' &&
  typeof report === 'string'

const DESCRIPTION = 'description.json'
/** Where the process that holds a running instance listens. */
export const CONTROL_SOCKET = 'control.sock'
/** Where host programs reach the ports of a guest that has a driver for them. */
export const VSOCK_SOCKET = 'vsock.sock'

export function writeDescription(directory: string, description: InstanceDescription): void {
  replaceFile(directory, DESCRIPTION, `${JSON.stringify(description)}\n`)
}

/** Undefined for an instance that ended before it was described. */
export function readDescription(directory: string): InstanceDescription | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, DESCRIPTION), 'utf8')) as InstanceDescription
  } catch {
    return undefined
  }
}

export const stateJson = (state: InstanceState): string => `${JSON.stringify(state)}\n`

export function writeState(directory: string, state: InstanceState): void {
  replaceFile(directory, 'state.json', stateJson(state))
}

/**
 * In one step: a reader sees the old content or the new, also when we die in the middle.
 * Not synced to the disk: what a host crash could tear describes an instance that ended with the host.
 */
function replaceFile(directory: string, name: string, text: string): void {
  const temporary = join(directory, `.${process.pid}-${name}`)
  writeFileSync(temporary, text, { mode: 0o600 })
  renameSync(temporary, join(directory, name))
}
