/**
 * A further program in a running container: `runc exec` or `crun exec` from within the namespaces that the runtime itself
 * lives in (launch.ts), and init.c to start it. It gets what the container's own program got: namespaces, control group,
 * capabilities, seccomp filter, resource limits.
 *
 *   setpriv, becomes nsenter     gets SIGKILL when our process dies
 *     └─ runc or crun            in the pid namespace that ends with the container, however that ends
 *          └─ init.c
 *               └─ the program   leads a session, and with it a process group
 *
 * setpriv(1), nsenter(1)
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { pipe } from '../../kvm-bindings/ffi.ts'
import { EXIT, pathFault } from '../errors.ts'
import { childrenOf, descendantsOf, readStatus } from '../host/process-status.ts'
import { SIGKILL } from '../host/signals.ts'
import type { ExecSession, ExecSpec } from '../instance/exec.ts'
import type { ExitResult } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { ociUser } from './bundle.ts'
import { errorName, refusedStart } from './ending.ts'
import { execArguments, INIT_DESCRIPTORS, INIT_NAME, type InitReport } from './init.ts'
import { FILES, HOST_ENVIRONMENT, type LaunchFacts, runtimeCall } from './launch.ts'
import { programOutput } from './program-output.ts'
import { logErrors } from './runtime.ts'
import { readReport } from './runtime-process.ts'
import { sendInside } from './send-inside.ts'
import { openTerminalSizes } from './terminal-sizes.ts'

const SIGHUP = 1
/** After SIGHUP a program has this long. */
const HANGUP_MS = 1000
/** What is left of a killed one is looked for again after this, and then ever later: in a paused container it stays. */
const LOOK_MS = 20
const LOOK_MAX_MS = 2000

export interface ExecPlace extends Omit<LaunchFacts, 'memoryBytes' | 'streams'> {
  /** The runtime that runs the container, whose namespaces are to be entered. */
  readonly runtimePid: number
  readonly number: number
  /** The container is at its end, and what else ran in it has been killed. */
  readonly isEnding: () => boolean
}

export interface ContainerExec extends ExecSession {
  /** Its processes on the host. */
  pids(): number[]
}

export function execInContainer(spec: RunSpec, exec: ExecSpec, place: ExecPlace): ContainerExec {
  const files = { process: `exec-${place.number}.json`, log: `exec-${place.number}.log` }
  const at = (file: string) => join(place.directory, file)
  writeFileSync(at(files.process), JSON.stringify(ociProcess(spec, exec, at(FILES.config))), { mode: 0o600 })
  const terminal = exec.tty && openTerminalSizes()
  if (exec.tty) terminal?.resize(exec.tty)
  const [input, output, errors] = [pipe(), pipe(), pipe()]
  const stdin = new Socket({ fd: input[1], readable: false, writable: true })
  const [stdout, stderr] = [programOutput(output[0]), programOutput(errors[0])]
  stdin.on('error', () => stdin.destroy())
  if (!exec.interactive) stdin.end()
  let child: ChildProcess
  try {
    child = start(place, files, [input[0], output[1], terminal ? terminal.connection.fd! : errors[1]])
  } catch (error) {
    for (const one of [stdin, stdout.stream, stderr.stream]) one.destroy()
    terminal?.close()
    for (const file of Object.values(files)) rmSync(at(file), { force: true })
    throw error
  } finally {
    for (const fd of [input[0], output[1], errors[1]]) closeSync(fd)
  }

  let ended = false
  let report: InitReport | undefined
  const earlySignals: number[] = []
  const signal = (signo: number) => {
    if (ended) return
    const program = report && programOf(child)
    if (program === undefined) earlySignals.push(signo)
    else sendInside(program, signo, place.runtimePid)
  }
  const reported = readReport(child).then((said) => {
    report = said
    if (said?.error === 0) for (const signo of earlySignals.splice(0)) signal(signo)
  })
  const exited = new Promise<number>((resolve) => {
    child.once('error', () => resolve(EXIT.cloisterFailed))
    child.once('exit', (code, by) => resolve(code ?? 128 + constants.signals[by ?? 'SIGKILL']))
  })
  const over = exited.then(async (status): Promise<ExitResult> => {
    ended = true
    const isKilled = status === 128 + SIGKILL && place.isEnding()
    await reported
    for (const one of [stdout, stderr]) one.programEnded()
    terminal?.close()
    const said = contentOf(at(files.log))
    for (const file of Object.values(files)) rmSync(at(file), { force: true })
    if (isKilled) return { exitCode: status, report: `Instance "${spec.name}" has ended, and this program with it.` }
    return endOf(spec, exec, status, report, said)
  })

  let abandoned = false
  const killAll = (againMs: number) => {
    if (ended) return
    const program = programOf(child)
    // Its whole group, be it that the program itself has left others behind.
    if (program !== undefined) sendInside(-program, SIGKILL, place.runtimePid)
    for (const pid of descendantsOf(child.pid ?? 0)) sendInside(pid, SIGKILL, place.runtimePid)
    setTimeout(killAll, againMs, Math.min(2 * againMs, LOOK_MAX_MS)).unref()
  }
  return {
    ...{ stdin, stdout: stdout.stream, stderr: stderr.stream, signal },
    wait: () => over,
    resize: (size) => terminal?.resize(size),
    pids: () => (ended || child.pid === undefined ? [] : [child.pid, ...descendantsOf(child.pid)]),
    abandon() {
      if (abandoned || ended) return
      abandoned = true
      const program = programOf(child)
      if (program !== undefined) sendInside(-program, SIGHUP, place.runtimePid)
      setTimeout(killAll, program === undefined ? 0 : HANGUP_MS, LOOK_MS).unref()
    },
  }
}

/** As the container's own, in the document that its runtime was given; but it starts in /, and init goes where it is to be. */
function ociProcess(spec: RunSpec, exec: ExecSpec, configFile: string): object {
  const { process } = JSON.parse(readFileSync(configFile, 'utf8')) as { process: object }
  const user = exec.user ?? spec.user
  return {
    ...process,
    args: execArguments(exec, exec.cwd ?? spec.cwd),
    env: overlaid(spec.env, exec.env),
    cwd: '/',
    user: ociUser(user),
  }
}

/** `K=V` strings, the later ones winning. */
function overlaid(below: readonly string[], above: readonly string[]): string[] {
  const key = (entry: string) => entry.split('=', 1)[0]!
  const set = new Set(above.map(key))
  return [...below.filter((entry) => !set.has(key(entry))), ...above]
}

function start(place: ExecPlace, files: { process: string; log: string }, streams: readonly number[]): ChildProcess {
  const { directory, id, rootless, runtimePid } = place
  const nothing = openSync('/dev/null', 'r+')
  const log = openSync(join(directory, files.log), 'a', 0o600)
  const enter = ['--target', String(runtimePid), '--mount', '--pid', ...(rootless ? ['--user'] : [])]
  const exec = ['exec', '--process', join(directory, files.process), `--preserve-fds=${INIT_DESCRIPTORS}`, id]
  try {
    return spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'nsenter', ...enter, ...(rootless ? ['--preserve-credentials'] : []), '--'],
        ...[...runtimeCall(place, files.log), ...exec],
      ],
      {
        stdio: [nothing, log, log, ...streams, 'pipe'],
        detached: true,
        cwd: '/',
        env: HOST_ENVIRONMENT,
      },
    )
  } finally {
    for (const fd of [nothing, log]) closeSync(fd)
  }
}

/** The child of init, which the kernel knows by its file: a program comes after it on the way down. */
function programOf({ pid }: ChildProcess): number | undefined {
  if (pid === undefined) return undefined
  const init = descendantsOf(pid).find((one) => readStatus(one)?.name === INIT_NAME)
  return init === undefined ? undefined : childrenOf(init)[0]
}

function endOf(spec: RunSpec, exec: ExecSpec, status: number, report: InitReport | undefined, log: string): ExitResult {
  if (report?.error === 0) return { exitCode: status }
  const program = exec.tool ?? exec.argv[0]!
  if (report?.of === 'execve') return refusedStart(program, report.error)
  if (report?.of === 'directory') {
    const fault = pathFault({ code: errorName(report.error) })
    return {
      exitCode: EXIT.cloisterFailed,
      report: `Cannot use ${exec.cwd ?? spec.cwd} as the working directory: ${fault}.`,
    }
  }
  const reason = report ? `init failed with ${errorName(report.error)}` : reasonIn(log, status)
  return { exitCode: EXIT.cloisterFailed, report: `Cannot run ${program} in "${spec.name}": ${reason}.` }
}

function reasonIn(log: string, status: number): string {
  const said = logErrors(log).at(-1) ?? log.trim().split('\n').at(-1)
  return said ? said.replace(/\.$/, '') : `the OCI runtime ended with ${status} and said nothing`
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
