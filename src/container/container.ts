/**
 * A container as an Instance: a bundle made from the RunSpec, an OCI runtime that runs it, and an end told in the
 * same words as any other level's.
 */
import { CloisterError, EXIT, HostError, UsageError } from '../errors.ts'
import { childrenOf, readStatus } from '../host/process-status.ts'
import { SIGKILL, SIGPIPE } from '../host/signals.ts'
import type { ExecSpec } from '../instance/exec.ts'
import type { ExitResult, Instance, InstanceDescription, Phases, Stdio, TerminalSize } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { NamespaceConnection } from '../network/connect.ts'
import { checkSpec, checkUser } from './check.ts'
import { describeContainer } from './describe.ts'
import { describeEnd, failureReason } from './ending.ts'
import { type ContainerExec, execInContainer } from './exec.ts'
import { checkPlace, containerPlace, endingAt, giveUpPlace, writeBundle } from './place.ts'
import { findObstacle } from './program.ts'
import { explainRefusal } from './rootless.ts'
import { isHostRefusal, type OciRuntime } from './runtime.ts'
import { withSomeRuntime } from './runtime-choice.ts'
import { type RuntimeProcess, startRuntime } from './runtime-process.ts'
import { sendInside } from './send-inside.ts'
import { type Connection, connectStreams } from './streams.ts'
import { runtimeId } from './sweep.ts'
import { openTerminalSizes } from './terminal-sizes.ts'
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

/** Loaded for whoever asks only: most containers have no network. @throws UsageError, HostError */
async function connect({ network, name }: RunSpec): Promise<NamespaceConnection | undefined> {
  if (network?.kind !== 'network') return undefined
  const { connectContainer } = await import('../network/connect.ts')
  return connectContainer(network.name, name)
}

export function createContainer(spec: RunSpec, options: ContainerOptions): Instance {
  const { stdio, log, warn } = options
  const phases: Phases = {}
  const place = containerPlace(spec, options.directory)
  const { directory, layout, rootless, grouped, cgroup } = place
  const mark = (phase: keyof Phases) => {
    phases[phase] ??= process.hrtime.bigint()
  }

  let runtimeProcess: RuntimeProcess | undefined
  let runtimeUsed: OciRuntime | undefined
  let connection: NamespaceConnection | undefined
  const terminal = spec.tty ? openTerminalSizes() : undefined
  /** What wait() is to say instead of what the runtime says. */
  let verdict: ExitResult | undefined
  /** Before that a signal would meet the runtime's code, or none. */
  let programStarted = false
  let paused = false
  let runtimeEnded = false
  let over = false
  let closing: Promise<void> | undefined
  const earlySignals: number[] = []
  let resolveFinished: (result: ExitResult) => void
  const finished = new Promise<ExitResult>((resolve) => {
    resolveFinished = resolve
  })
  let resolveRunning: () => void
  const running = new Promise<void>((resolve) => {
    resolveRunning = resolve
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
    checkUser(spec.name, spec.user, rootless)
    const obstacle = findObstacle(spec)
    if (obstacle) return finish(obstacle)
    const warning = checkPlace(spec, place)
    connection = await connect(spec)
    if (warning !== undefined) warn?.(warning)
    const [stdin, stdout, stderr] = connectStreams(stdio, spec.interactive)
    const streams = [stdin!, stdout!, terminal?.connection ?? stderr!]
    await withSomeRuntime(layout, async (runtime) => {
      const reason = await startWith(runtime, streams)
      if (reason === undefined) return undefined
      log?.(`${runtime.name} refuses this host: ${reason}`)
      await giveUpPlace(place, log)
      return reason
    })
  }

  /** @returns why this runtime will never work on this host, if so */
  async function startWith(runtime: OciRuntime, streams: readonly Connection[]): Promise<string | undefined> {
    if (verdict) finish(verdict)
    if (over) return undefined
    writeBundle(spec, place, streams, connection)
    mark('created')
    runtimeUsed = runtime
    runtimeProcess = startRuntime(
      { runtime, id: runtimeId(spec.name), directory, memoryBytes: spec.memoryBytes, streams, rootless, grouped },
      refuse,
    )
    phases.entered = process.hrtime.bigint()
    const { ended, relayed } = runtimeProcess
    const report = await runtimeProcess.report
    if (report?.error === 0) {
      phases.programStarted = report.startedNs
      programStarted = true
      resolveRunning()
      for (const signo of earlySignals.splice(0)) signal(signo)
      ended.then(async (status) => {
        runtimeEnded = true
        if (!verdict) await relayed
        finish(describeEnd(spec, endingAt(place, status, report)))
      })
      return undefined
    }
    const outcome = endingAt(place, await ended, report, await runtimeProcess.said)
    const reason = failureReason(outcome)
    if (!verdict && !report && isHostRefusal(reason)) return reason
    const end = describeEnd(spec, outcome)
    const why = rootless && !report ? explainRefusal(reason) : undefined
    finish(why ? { ...end, report: `${end.report} ${why[0]!.toUpperCase()}${why.slice(1)}.` } : end)
    return undefined
  }

  const notPrepared = (cause: Error) =>
    new HostError(`Cannot prepare container "${spec.name}": ${cause.message}.`, { cause })

  /** Processes of the container, process 1 of it among them. */
  function inside(): number[] {
    if (over) return []
    return grouped ? cgroup.processes() : (runtimeProcess?.inside() ?? [])
  }

  const execs = new Set<ContainerExec>()
  let execCount = 0
  const execPids = () => [...execs].flatMap((one) => one.pids())
  const pids = () => [...new Set([...(runtimeProcess?.pids() ?? []), ...inside(), ...execPids()])]

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
    if (pid !== undefined) sendInside(pid, signo, runtimeProcess?.pids()[1])
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

  async function exec(asked: ExecSpec): Promise<ContainerExec> {
    checkUser(spec.name, asked.user, rootless)
    await Promise.race([running, finished])
    const runtimePid = runtimeProcess?.pids()[1]
    if (over || verdict || runtimeEnded || runtimePid === undefined || !runtimeUsed) {
      throw new UsageError(`Cannot run a program in container "${spec.name}": it has ended.`)
    }
    if (paused) throw new UsageError(`Cannot run a program in container "${spec.name}": it is paused.`)
    const isEnding = () => over || verdict !== undefined || programPid() === undefined
    const ids = { id: runtimeId(spec.name), number: ++execCount, runtimePid, isEnding }
    const session = execInContainer(spec, asked, { runtime: runtimeUsed, directory, rootless, grouped, ...ids })
    execs.add(session)
    void session.wait().finally(() => execs.delete(session))
    return session
  }

  async function pause(): Promise<void> {
    if (!programStarted) throw new UsageError(`Cannot pause container "${spec.name}": it has not started yet.`)
    if (!grouped) {
      throw new HostError(`Cannot pause container "${spec.name}": without root it has no control group to freeze.`, {
        hint: 'Run it with sudo, or choose --isolation unikernel.',
      })
    }
    if (over || verdict) return
    paused = true
    await cgroup.freezer.freeze()
  }

  async function resume(): Promise<void> {
    cgroup.freezer.thaw()
    paused = false
  }

  async function setMemory(bytes: number): Promise<void> {
    if (!programStarted) throw new UsageError(`Cannot update container "${spec.name}": it has not started yet.`)
    if (!grouped) {
      throw new HostError(`Cannot update container "${spec.name}": without root it has no control group of its own.`, {
        hint: 'Run it with sudo.',
      })
    }
    cgroup.setMemoryLimit(bytes)
  }

  const usage = () => containerUsage(cgroup, inside(), runtimeProcess?.pids() ?? [])

  const describe = (): InstanceDescription =>
    describeContainer({
      ...{ spec, cgroup, layout, program: over ? undefined : programPid(), runtime: runtimeUsed },
      ...(connection && { network: connection.describe() }),
    })

  async function closeOnce(): Promise<void> {
    kill({ exitCode: 128 + SIGKILL })
    await finished
    runtimeProcess?.abandonOutput()
    await giveUpPlace(place, log)
    connection?.release()
    terminal?.close()
    mark('gone')
  }

  function close(): Promise<void> {
    closing ??= closeOnce()
    return closing
  }

  const wait = () => finished
  const resize = (size: TerminalSize) => terminal?.resize(size)
  const steering = { signal, resize, kill, pause, resume, setMemory, exec }
  const handles = { phases, pids, start, wait, ...steering, usage, describe, close }
  return { isolation: 'container', ...handles }
}
