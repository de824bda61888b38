/**
 * A container as an Instance: a bundle made from the RunSpec, an OCI runtime that runs it, and an end told in the
 * same words as any other level's.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CloisterError, EXIT, HostError, UsageError } from '../errors.ts'
import { delegatedCgroup } from '../host/cgroup-delegation.ts'
import { readCgroupLayout } from '../host/cgroup-layout.ts'
import { childrenOf, parseOpenFilesMax, readStatus } from '../host/process-status.ts'
import { SIGKILL, SIGPIPE, send } from '../host/signals.ts'
import type { ExitResult, Instance, InstanceDescription, Phases, Stdio } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { ociConfig } from './bundle.ts'
import { checkSpec } from './check.ts'
import { describeContainer } from './describe.ts'
import { describeEnd, failureReason } from './ending.ts'
import { type InitReport, initMount } from './init.ts'
import { FILES } from './launch.ts'
import { findObstacle } from './program.ts'
import { LAYERS, prepareRoot } from './root.ts'
import { explainRefusal, processLimit, rootlessMode, userNamespaceRefusal } from './rootless.ts'
import { findRuntimes, isHostRefusal, noRuntimeError, type OciRuntime } from './runtime.ts'
import { notesFile, runtimeNotes } from './runtime-notes.ts'
import { type RuntimeProcess, startRuntime } from './runtime-process.ts'
import { type Connection, connectStreams } from './streams.ts'
import { containerCgroup, containerDirectory, runtimeId } from './sweep.ts'
import { containerUsage } from './usage.ts'

export { sweepContainer } from './sweep.ts'

export interface ContainerOptions {
  /** The instance's own directory, there already. */
  readonly directory: string
  readonly stdio: Stdio
  readonly log?: (line: string) => void
  /** What the user should know before relying on it. */
  readonly warn?: (line: string) => void
}

/** Programs and runtimes alike misbehave with a limit of a thousand million descriptors, which some hosts have. */
const OPEN_FILES_CAP = 1_048_576

const LIMITS = ['memory', 'cpu', 'pids'] as const

const noLimits = (missing: readonly string[], grouped: boolean) =>
  `without root there is no control group for ${missing.join(', ')}: this container has no such limit${grouped ? '' : ' and cannot be paused'}`

export function createContainer(spec: RunSpec, options: ContainerOptions): Instance {
  const { stdio, log, warn } = options
  const phases: Phases = {}
  const directory = containerDirectory(options.directory)
  const layout = readCgroupLayout()
  const rootless = rootlessMode()
  const delegated = rootless && delegatedCgroup(layout)
  const grouped = !rootless || delegated !== undefined
  const cgroup = containerCgroup(spec.name, options.directory, layout, delegated?.parent)
  const at = (file: string) => join(directory, file)
  const mark = (phase: keyof Phases) => {
    phases[phase] ??= process.hrtime.bigint()
  }

  let runtimeProcess: RuntimeProcess | undefined
  let runtimeUsed: OciRuntime | undefined
  /** What wait() is to say instead of what the runtime says. */
  let verdict: ExitResult | undefined
  /** Before that a signal would meet the runtime's code, or none. */
  let programStarted = false
  let runtimeEnded = false
  let over = false
  let closing: Promise<void> | undefined
  const earlySignals: number[] = []
  let resolveFinished: (result: ExitResult) => void
  const finished = new Promise<ExitResult>((resolve) => {
    resolveFinished = resolve
  })

  function finish(result: ExitResult): void {
    if (over) return
    over = true
    mark('exited')
    resolveFinished(verdict ?? result)
  }

  async function start(): Promise<void> {
    mark('requested')
    try {
      await startWithSomeRuntime()
    } catch (cause) {
      const error = cause instanceof CloisterError ? cause : notPrepared(cause as Error)
      finish({ exitCode: error.exitCode, report: error.message })
      throw error
    }
  }

  async function startWithSomeRuntime(): Promise<void> {
    checkSpec(spec)
    const obstacle = findObstacle(spec)
    if (obstacle) return finish(obstacle)
    const refusal = rootless && userNamespaceRefusal()
    if (refusal) {
      throw new HostError(`Cannot start container "${spec.name}" without root: ${refusal.reason}.`, refusal)
    }
    const missing = LIMITS.filter((name) => rootless && !delegated?.controllers.includes(name))
    if (missing.length > 0) warn?.(noLimits(missing, grouped))
    const streams = connectStreams(stdio, spec.interactive)
    const notes = runtimeNotes(notesFile())
    const refused: { name: string; reason: string }[] = []
    for (const runtime of findRuntimes(layout)) {
      let reason = notes.reasonOf(runtime)
      if (reason === undefined) {
        reason = await startWith(runtime, streams)
        if (reason === undefined) return
        log?.(`${runtime.name} refuses this host: ${reason}`)
        notes.add(runtime, reason)
        await release()
      }
      refused.push({ name: runtime.name, reason })
    }
    throw noRuntimeError(refused)
  }

  /** @returns why this runtime will never work on this host, if so */
  async function startWith(runtime: OciRuntime, streams: readonly Connection[]): Promise<string | undefined> {
    if (verdict) finish(verdict)
    if (over) return undefined
    writeBundle(streams)
    mark('created')
    runtimeUsed = runtime
    runtimeProcess = startRuntime(
      {
        runtime,
        id: runtimeId(spec.name),
        directory,
        memoryBytes: spec.memoryBytes,
        streams,
        rootless,
        grouped,
      },
      refuse,
    )
    phases.entered = process.hrtime.bigint()
    const { ended, relayed } = runtimeProcess
    const report = await runtimeProcess.report
    if (report?.error === 0) {
      phases.programStarted = report.startedNs
      programStarted = true
      for (const signo of earlySignals.splice(0)) signal(signo)
      ended.then(async (status) => {
        runtimeEnded = true
        if (!verdict) await relayed
        finish(describeEnd(spec, ending(status, report)))
      })
      return undefined
    }
    const outcome = ending(await ended, report, await runtimeProcess.said)
    const reason = failureReason(outcome)
    if (!verdict && !report && isHostRefusal(reason)) return reason
    const end = describeEnd(spec, outcome)
    const why = rootless && !report ? explainRefusal(reason) : undefined
    finish(why ? { ...end, report: `${end.report} ${why[0]!.toUpperCase()}${why.slice(1)}.` } : end)
    return undefined
  }

  const notPrepared = (cause: Error) =>
    new HostError(`Cannot prepare container "${spec.name}": ${cause.message}.`, { cause })

  function writeBundle(streams: readonly Connection[]): void {
    mkdirSync(directory, { mode: 0o700 })
    const mounts = [...prepareRoot(spec, directory), initMount()]
    const openFilesMax = Math.min(parseOpenFilesMax(readFileSync('/proc/self/limits', 'utf8')), OPEN_FILES_CAP)
    const config = ociConfig(spec, {
      ...{ root: at(LAYERS.root), mounts, streams, openFilesMax },
      cgroupsPath: grouped ? cgroup.path : undefined,
      ...(delegated && { controllers: delegated.controllers }),
      rlimits: rootless ? processLimit() : [],
    })
    writeFileSync(at(FILES.config), JSON.stringify(config), { mode: 0o600 })
  }

  const ending = (status: number | NodeJS.Signals, report: InitReport | undefined, said = '') => ({
    status,
    report,
    outOfMemoryKills: cgroup.outOfMemoryKills(),
    runtimeLog: readIfThere(at(FILES.runtimeLog)),
    launchLog: readIfThere(at(FILES.launchLog)) + said,
  })

  /** Processes of the container, process 1 of it among them. */
  function inside(): number[] {
    if (over) return []
    return grouped ? cgroup.processes() : (runtimeProcess?.inside() ?? [])
  }

  const pids = () => [...new Set([...(runtimeProcess?.pids() ?? []), ...inside()])]

  /** By its pid here: the oldest child of the container's process 1, which collects no other before it ends. */
  function programPid(): number | undefined {
    const init = inside().find((pid) => readStatus(pid)?.nsPids.at(-1) === 1)
    return init === undefined ? undefined : childrenOf(init)[0]
  }

  function signal(signo: number): void {
    if (over) return
    if (!programStarted) {
      earlySignals.push(signo)
      return
    }
    const pid = programPid()
    if (pid !== undefined) send(pid, signo)
  }

  /** The words are those of the unikernel level. */
  function refuse({ code }: NodeJS.ErrnoException): void {
    const report = `Cannot write the output of ${spec.program}: the host gave ${code}. The program was ended.`
    kill(code === 'EPIPE' ? { exitCode: 128 + SIGPIPE } : { exitCode: EXIT.cloisterFailed, report })
  }

  function kill(result: ExitResult): void {
    if (over) return
    verdict ??= result
    if (runtimeProcess && !runtimeEnded) runtimeProcess.kill()
    else finish(verdict)
    // In control groups v1 a frozen process does not even die.
    cgroup.freezer.thaw()
  }

  async function pause(): Promise<void> {
    if (!programStarted) throw new UsageError(`Cannot pause container "${spec.name}": it has not started yet.`)
    if (!grouped) {
      throw new HostError(`Cannot pause container "${spec.name}": without root it has no control group to freeze.`, {
        hint: 'Run it with sudo, or choose --isolation unikernel.',
      })
    }
    if (!over && !verdict) await cgroup.freezer.freeze()
  }

  async function resume(): Promise<void> {
    cgroup.freezer.thaw()
  }

  const usage = () => containerUsage(cgroup, inside(), runtimeProcess?.pids() ?? [])

  const describe = (): InstanceDescription =>
    describeContainer({ spec, cgroup, layout, program: over ? undefined : programPid(), runtime: runtimeUsed })

  async function release(): Promise<void> {
    const left = await cgroup.empty()
    if (left.length > 0) log?.(`cannot remove the control group ${left[0]}: it is still in use`)
    rmSync(directory, { recursive: true, force: true })
  }

  async function closeOnce(): Promise<void> {
    kill({ exitCode: 128 + SIGKILL })
    await finished
    runtimeProcess?.abandonOutput()
    await release()
    mark('gone')
  }

  function close(): Promise<void> {
    closing ??= closeOnce()
    return closing
  }

  const wait = () => finished
  return { isolation: 'container', phases, pids, start, wait, signal, kill, pause, resume, usage, describe, close }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
