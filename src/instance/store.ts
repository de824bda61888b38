/**
 * The instances of this host, as plain files, the way OCI runtimes keep them:
 *
 *   <run root>/instances/NAME/     config.json, state.json and what its level keeps there
 *   <run root>/live/PID-START-NAME one empty file per instance that runs: who to ask whether it still does
 *
 * `live` is what makes looking for crashed ones cheap: its cost grows with what runs, not with what ever ran.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { UsageError } from '../errors.ts'
import { EventJournal, type EventType, type InstanceEvent } from './events.ts'
import type { ExitResult } from './instance.ts'
import { checkInstanceName, isInstanceName, proposeName } from './name.ts'
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts'
import {
  CONTROL_SOCKET,
  type InstanceConfig,
  type InstanceRecord,
  isLive,
  readRecord,
  stateJson,
  VSOCK_SOCKET,
  writeState,
} from './record.ts'
import type { RunSpec } from './run-spec.ts'
import { claimDirectory } from './state-root.ts'

const NAME_ATTEMPTS = 20

/** An instance whose process died while its record said that it runs. */
export interface Orphan {
  readonly name: string
  readonly marker: string
  readonly record: InstanceRecord | undefined
}

/** A name and a directory, taken for an instance that is about to start. */
export interface ClaimedInstance {
  readonly name: string
  readonly directory: string
  readonly spec: RunSpec
  /** Writes down that it stands still, or goes on. */
  setPaused(paused: boolean): void
  /** Writes down what happened to it. */
  note(type: EventType, facts?: Partial<InstanceEvent>): void
  /** Writes down how it ended, or removes the record of an instance that was not to leave one. */
  finish(result: ExitResult): void
  /** Removes every trace: it never started. */
  abandon(): void
}

export interface ClaimRequest {
  readonly name?: string
  readonly removeOnExit: boolean
  readonly detached?: boolean
  /** Told the name and the directory, answers what to write down. */
  readonly spec: (name: string) => RunSpec
}

export class InstanceStore {
  readonly #instances: string
  readonly #live: string
  readonly events: EventJournal

  /** @throws HostError when the run root is not safely ours. */
  constructor(runRoot: string) {
    claimDirectory(runRoot)
    this.#instances = join(runRoot, 'instances')
    this.#live = join(runRoot, 'live')
    this.events = new EventJournal(runRoot)
    mkdirSync(this.#instances, { recursive: true, mode: 0o700 })
    mkdirSync(this.#live, { recursive: true, mode: 0o700 })
  }

  directory(name: string): string {
    return join(this.#instances, checkInstanceName(name))
  }

  read(name: string): InstanceRecord | undefined {
    return readRecord(this.directory(name), name)
  }

  /** Whether the name is taken, be it by a directory that holds no readable record. */
  has(name: string): boolean {
    return existsSync(this.directory(name))
  }

  /** @throws UsageError when it is taken; it may still be taken later */
  checkFree(name: string): void {
    if (this.has(name)) throw nameTaken(name)
  }

  /** Oldest first. */
  list(): InstanceRecord[] {
    return readdirSync(this.#instances)
      .filter(isInstanceName)
      .map((name) => readRecord(join(this.#instances, name), name))
      .filter((record) => record !== undefined)
      .sort((a, b) => a.config.createdAt.localeCompare(b.config.createdAt))
  }

  /** Takes a name, atomically among all Cloister processes. @throws UsageError when a given name is taken. */
  claim({ name: given, removeOnExit, detached = false, spec }: ClaimRequest): ClaimedInstance {
    const owner = ownIdentity()
    if (given !== undefined) checkInstanceName(given)
    for (let attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
      const name = given ?? proposeName(attempt)
      const config = { spec: spec(name), createdAt: new Date().toISOString(), removeOnExit, detached }
      // The marker comes first and goes last: an instance directory that says "running" always has one.
      const marker = join(this.#live, markerName(owner, name))
      if (createMarker(marker)) {
        if (this.#place(config, owner)) return this.#claimed(name, marker, config, owner)
        unlinkSync(marker)
      }
      if (given !== undefined) throw nameTaken(name)
    }
    throw new UsageError('Cannot find a free name for the instance.', { hint: 'Give one with --name.' })
  }

  /** Removes the record and all that is in its directory. A reader sees all of it or nothing. */
  remove(name: string): void {
    const doomed = join(this.#instances, `.removed-${process.pid}-${name}`)
    // Left by a process that had our pid.
    if (existsSync(doomed)) removeTree(doomed)
    try {
      renameSync(this.directory(name), doomed)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    removeTree(doomed)
    this.events.record('remove', name)
  }

  /**
   * Instances whose process is gone. `quick` trusts a pid that exists; otherwise its start time is compared too,
   * which finds the ones whose pid another process got since.
   */
  orphans({ quick = false } = {}): Orphan[] {
    return readdirSync(this.#live).flatMap((marker) => {
      const [, pid = '', startTime = '', name = ''] = MARKER.exec(marker) ?? []
      if (name === '') return []
      if (quick ? pidExists(Number(pid)) : isAlive({ pid: Number(pid), startTime })) return []
      return [{ name, marker: join(this.#live, marker), record: this.#ownRecord(marker) }]
    })
  }

  /** What is on record of it now; undefined when another process has settled it since. */
  again(orphan: Orphan): Orphan | undefined {
    if (!existsSync(orphan.marker)) return undefined
    return { ...orphan, record: this.#ownRecord(basename(orphan.marker)) }
  }

  /** The name may belong to a later instance by now: a record counts only if it is that of the marker's process. */
  #ownRecord(marker: string): InstanceRecord | undefined {
    const [, pid = '', startTime = '', name = ''] = MARKER.exec(marker) ?? []
    const record = isInstanceName(name) ? this.read(name) : undefined
    const { owner } = record?.state ?? {}
    return owner?.pid === Number(pid) && owner.startTime === startTime ? record : undefined
  }

  /** Writes down that an orphan ended without a word, after its level has released what it left. */
  settle({ marker, name, record }: Orphan, end?: ExitResult): void {
    if (record?.config.removeOnExit) this.remove(record.name)
    else if (record && isLive(record.state)) {
      this.events.record('crash', record.name)
      for (const socket of [CONTROL_SOCKET, VSOCK_SOCKET]) rmSync(join(record.directory, socket), { force: true })
      writeState(record.directory, { ...record.state, status: 'crashed', finishedAt: new Date().toISOString(), ...end })
    }
    if (isInstanceName(name)) removeTree(this.#prepared(Number.parseInt(basename(marker), 10), name))
    rmSync(marker, { force: true })
  }

  /** Finishes the removals that a crash interrupted. */
  tidy(): void {
    for (const entry of readdirSync(this.#instances)) {
      const pid = /^\.removed-(\d+)-/.exec(entry)?.[1]
      if (pid !== undefined && !pidExists(Number(pid))) removeTree(join(this.#instances, entry))
    }
  }

  #prepared(pid: number, name: string): string {
    return join(this.#instances, `.new-${pid}-${name}`)
  }

  /** A complete directory is renamed into place: rename(2) refuses one that is there, since it is never empty. */
  #place(config: InstanceConfig, owner: ProcessIdentity): boolean {
    const { name } = config.spec
    const prepared = this.#prepared(owner.pid, name)
    makeEmpty(prepared)
    writeFileSync(join(prepared, 'config.json'), `${JSON.stringify(config)}\n`, { mode: 0o600 })
    writeFileSync(join(prepared, 'state.json'), stateJson({ status: 'running', owner }), { mode: 0o600 })
    try {
      renameSync(prepared, this.directory(name))
      return true
    } catch (error) {
      removeTree(prepared)
      if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
      throw error
    }
  }

  #claimed(name: string, marker: string, config: InstanceConfig, owner: ProcessIdentity): ClaimedInstance {
    const directory = this.directory(name)
    const unmark = (): void => unlinkSync(marker)
    let over = false
    const { isolation } = config.spec
    const note: ClaimedInstance['note'] = (type, facts = {}) => this.events.record(type, name, { isolation, ...facts })
    note('create')
    return {
      name,
      directory,
      spec: config.spec,
      note,
      setPaused: (paused) => writeState(directory, { status: paused ? 'paused' : 'running', owner }),
      finish: (result) => {
        over = true
        note('exit', { exitCode: result.exitCode })
        if (config.removeOnExit) this.remove(name)
        else writeState(directory, { status: 'exited', owner, finishedAt: new Date().toISOString(), ...result })
        unmark()
      },
      abandon: () => {
        // What fails after the end was written down comes here too; the name may be another one's by now.
        if (over) return
        this.remove(name)
        unmark()
      },
    }
  }
}

/** A process of the same pid may have died here in an earlier life. */
function makeEmpty(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    removeTree(directory)
    mkdirSync(directory, { mode: 0o700 })
  }
}

/** The usual directory holds the two files of its record and no more; for that, rmSync would load 3 ms of code. */
function removeTree(directory: string): void {
  try {
    unlinkSync(join(directory, 'config.json'))
    unlinkSync(join(directory, 'state.json'))
    rmdirSync(directory)
  } catch {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** @returns false when this very process has an instance of that name. */
function createMarker(path: string): boolean {
  try {
    writeFileSync(path, '', { mode: 0o600, flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

const MARKER = /^(\d+)-(\d+)-(.+)$/
const markerName = ({ pid, startTime }: ProcessIdentity, name: string): string => `${pid}-${startTime}-${name}`

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const nameTaken = (name: string) =>
  new UsageError(`Cannot name the instance "${name}": the name is taken.`, {
    hint: `See "cloister ps -a"; "cloister rm ${name}" frees the name of one that has ended.`,
  })
