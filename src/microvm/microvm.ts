/**
 * The microvm level: the program under a Linux of its own, in a virtual machine of its own, looked after by our agent.
 * This process is its VMM.
 */
import type { Agent } from '../agent/client.ts'
import type { Hello } from '../agent/messages.ts'
import type { AgentSession } from '../agent/session.ts'
import { Reactor } from '../backends/reactor.ts'
import { type CloisterError, EXIT, UsageError } from '../errors.ts'
import type { ExecSession, ExecSpec } from '../instance/exec.ts'
import type {
  ExitResult,
  Instance,
  InstanceDescription,
  Phases,
  SnapshotFacts,
  SnapshotOrder,
  Stdio,
  TerminalSize,
  Usage,
} from '../instance/instance.ts'
import type { FileSource, RunSpec } from '../instance/run-spec.ts'
import type { RunnerKind } from '../machine/choose-runner.ts'
import type { MachineEnd } from '../machine/exit-handler.ts'
import { MIB } from '../memory/memory-map.ts'
import { askForMemory } from '../vmm/balloon-requests.ts'
import { joinVmmCgroup, type VmmCgroup } from '../vmm/vmm-cgroup.ts'
import { execProcess } from './agent-process.ts'
import { createConsoleLog } from './console-log.ts'
import { describeMicrovm, microvmUsage } from './description.ts'
import { endsByDefault } from './early-signals.ts'
import { describeEnd, describeExit } from './ending.ts'
import { goOnFrom, openFrom, openResumption } from './going-on.ts'
import type { Guest, GuestOrder } from './guest.ts'
import { type GuestLinux, guestLinux } from './guest-linux.ts'
import { type Asked, GuestStart } from './guest-start.ts'
import { openProgramStreams, type ProgramStreams } from './program-streams.ts'
import { rootImage } from './root-image.ts'
import { Standstill } from './standstill.ts'
import { warmWays } from './warm-ways.ts'
import { withResolvers } from './with-resolvers.ts'

const SIGPIPE = 13
/** A kernel and the program's pages; below this nothing useful fits. */
const MEMORY_MIN = 32 * MIB
/** A guest that dies takes its agent along: why is heard a moment after. */
const DYING_MS = 1000

export interface MicrovmOptions {
  readonly stdio: Stdio
  /** The instance's own; with it this process joins a control group of that instance. */
  readonly directory?: string
  /** This process was made for this instance: it joins before there is a VM. */
  readonly detached?: boolean
  /** Told what the guest's kernel says. */
  readonly log?: (line: string) => void
  /** Told what the user should know. */
  readonly warn?: (line: string) => void
  /** Which thread runs a vCPU. */
  readonly runner?: RunnerKind
  /** Receives the lines of `--trace exits`. */
  readonly trace?: (line: string) => void
}

export const createMicrovm = (spec: RunSpec, options: MicrovmOptions): Instance => new Microvm(spec, options)

class Microvm implements Instance {
  readonly isolation = 'microvm'
  readonly phases: Phases = {}
  readonly pids = () => [process.pid]
  readonly #spec: RunSpec
  readonly #options: MicrovmOptions
  readonly #console
  readonly #result = withResolvers<ExitResult>()
  /** The program that runs; nothing when there never will be one. */
  readonly #program = withResolvers<AgentSession | undefined>()
  #reactor: Reactor | undefined
  #group: VmmCgroup | undefined
  #streams: ProgramStreams | undefined
  #linux: GuestLinux | undefined
  #guest: Guest | undefined
  #agent: Agent | undefined
  #session: AgentSession | undefined
  #start: GuestStart | undefined
  readonly #calledOff = new AbortController()
  readonly #standstill
  /** Those that came before there was a program to hear them. */
  readonly #earlySignals: number[] = []
  #terminal: TerminalSize = { cols: 80, rows: 24 }
  /** Of the guest's kernel, by the agent's word. */
  #release: string | undefined
  /** How it ends is settled. */
  #over = false

  constructor(spec: RunSpec, options: MicrovmOptions) {
    this.#spec = spec
    this.#options = options
    this.#console = createConsoleLog(this.#log)
    this.#standstill = new Standstill({
      calledOff: this.#calledOff.signal,
      isOver: () => this.#over,
      unlessOver: (work) => this.#unlessOver(work),
      onLost: (reason) => this.#failBy(reason),
    })
  }

  async start(): Promise<void> {
    this.phases.requested = now()
    const { detached = false } = this.#options
    const source = checked(this.#spec)
    const from = await openResumption(this.#spec)
    this.#linux = from?.linux ?? guestLinux(this.#spec.kernel)
    if (this.#linux.flavour === 'software-kvm' && this.#spec.cpus > 1) {
      this.#warn(`the Linux for a software KVM runs on one processor: --cpus ${this.#spec.cpus} gives it no more`)
    }
    const image = from?.image ?? (await this.#rootImage(source))
    if (this.#over || image === undefined) return from?.close()
    if (detached) this.#joinGroup()
    const order = this.#order(image, this.#linux)
    const guest = from ? await openFrom(order, from) : await this.#newStart(order, source).open()
    this.phases.created = now()
    this.phases.entered = now()
    this.#enter(guest)
    // Nobody waits for it here: the guest is on its way.
    if (!detached) this.#joinGroup()
    const running = from ? this.#goOnFrom(guest) : this.#startProgram(guest)
    // Whoever starts it in the foreground waits for the end anyway; `run -d` says what kept it from starting.
    if (detached) await running
    else running.catch((error: Error) => this.#failBy(error))
  }

  wait(): Promise<ExitResult> {
    return this.#result.promise
  }

  async joined(): Promise<void> {
    await this.#program.promise
  }

  signal(signo: number): void {
    if (this.#session) this.#session.signal(signo)
    // Nobody waits for a boot only to have its program ended. One that was saved may have handlers.
    else if (endsByDefault(signo) && this.#spec.from === undefined) this.kill({ exitCode: 128 + signo })
    else this.#earlySignals.push(signo)
  }

  resize(size: TerminalSize): void {
    this.#terminal = size
    this.#session?.resize(size)
  }

  kill(outcome: ExitResult): void {
    this.#settle(outcome)
    this.#start?.callOff()
    this.#calledOff.abort()
    this.#guest?.machine.stop()
  }

  async pause(): Promise<void> {
    // What is still being made cannot stand still, and would start all the same.
    if (!this.#guest) throw new UsageError(`Cannot pause microVM "${this.#spec.name}": it has not started yet.`)
    await this.#standstill.pause(this.#guest)
  }

  resume(): Promise<void> {
    return this.#standstill.resume(this.#guest)
  }

  async snapshot(asked: SnapshotOrder): Promise<SnapshotFacts> {
    const cannot = `Cannot take a snapshot of "${this.#spec.name}"`
    const ended = () => new UsageError(`${cannot}: it has just ended.`)
    if (!this.#guest) throw new UsageError(`${cannot}: it has not started yet.`)
    const program = await this.#program.promise
    await this.#start?.saved()
    const [guest, agent, linux] = [this.#guest, this.#agent, this.#linux]
    if (!program || this.#over || !agent || !linux) throw ended()
    const takeBack = this.#group?.makeRoom(this.#spec.memoryBytes)
    try {
      return await this.#standstill.snapshot({ spec: this.#spec, linux, guest, agent }, asked, ended)
    } finally {
      takeBack?.()
    }
  }

  async setMemory(bytes: number): Promise<void> {
    askForMemory(this.#spec, this.#guest?.devices.balloon, bytes)
  }

  /** Once its own program runs: until then there is nothing to be beside. */
  async exec(asked: ExecSpec): Promise<ExecSession> {
    const cannot = `Cannot run ${asked.tool ?? asked.argv[0]} in "${this.#spec.name}"`
    const program = await this.#program.promise
    return await this.#standstill.starting(async () => {
      if (!program || this.#over || !this.#agent) throw new UsageError(`${cannot}: it has ended.`)
      return await this.#agent.start(execProcess(this.#spec, asked))
    })
  }

  usage(): Usage {
    return microvmUsage(this.#spec, this.#guest)
  }

  describe(): InstanceDescription {
    const [guest, linux, group, release] = [this.#guest, this.#linux, this.#group, this.#release]
    return describeMicrovm(this.#spec, { guest, linux, group, release })
  }

  async close(): Promise<void> {
    this.#settle({ exitCode: EXIT.cloisterFailed, report: 'The guest was stopped.' })
    await this.#releaseAll()
    this.phases.gone ??= now()
  }

  // --- on the way to the program ---

  #order(image: string, linux: GuestLinux): GuestOrder {
    const { stdio, directory, runner, trace } = this.#options
    const reactor = new Reactor((error) => this.#failBy(error))
    this.#reactor = reactor
    this.#streams = openProgramStreams(stdio, {
      onFirstOutput: () => {
        this.phases.firstOutput ??= now()
      },
      onOutputLost: (error) => this.#outputLost(error),
    })
    return {
      spec: this.#spec,
      linux,
      image,
      context: { reactor, log: this.#log, ...(directory !== undefined && { directory }) },
      serial: this.#console.serial,
      inputThreads: stdio.stdin === undefined ? 0 : 1,
      runner,
      trace,
    }
  }

  /** Undefined when it has ended meanwhile. */
  async #rootImage(source: FileSource): Promise<string | undefined> {
    try {
      return await rootImage(source, { progress: this.#warn, signal: this.#calledOff.signal })
    } catch (error) {
      if (this.#over) return undefined
      throw error
    }
  }

  #newStart(order: GuestOrder, source: FileSource): GuestStart {
    const ways = warmWays(order, source, this.#log)
    this.#start = new GuestStart(order, ways, {
      log: this.#log,
      terminal: () => this.#terminal,
      isPaused: () => this.#standstill.paused,
      isOver: () => this.#over,
      unlessOver: (work) => this.#unlessOver(work),
      makeRoom: () => this.#group?.makeRoom(this.#spec.memoryBytes) ?? (() => {}),
      onMade: (guest) => this.#enter(guest),
      onAgent: (agent) => {
        this.#agent = agent
      },
      onGreeted: (hello, guest) => {
        this.#greeted(hello)
        if (guest.restored) void guest.machine.ended.then((end) => this.#machineEnded(end))
      },
    })
    return this.#start
  }

  #enter(guest: Guest): void {
    this.#guest = guest
    // One that goes on from a snapshot may turn out to be of no use, and another one take its place.
    if (!guest.restored) void guest.machine.ended.then((end) => this.#machineEnded(end))
    if (this.#over) guest.machine.stop()
    else guest.machine.start()
  }

  /** @throws what kept it from running */
  async #startProgram(guest: Guest): Promise<void> {
    const asked = await this.#start?.ask(guest)
    if (asked) await this.#runProgram(asked)
  }

  async #goOnFrom(guest: Guest): Promise<void> {
    void guest.machine.ended.then((end) => this.#machineEnded(end))
    const asked = await goOnFrom(this.#spec, guest, {
      isPaused: () => this.#standstill.paused,
      unlessOver: (work) => this.#unlessOver(work),
      onAgent: (agent) => {
        this.#agent = agent
      },
      onGreeted: (hello) => this.#greeted(hello),
    })
    if (asked) await this.#runProgram(asked)
  }

  #greeted({ release, missing }: Hello): void {
    this.phases.kernelReady = now()
    this.#release = release
    this.#agent?.onLost((reason) => this.#failBy(reason))
    for (const what of missing) this.#log(`the guest's kernel, Linux ${release}, lacks ${what}`)
  }

  async #runProgram({ configured, started }: Asked): Promise<void> {
    await this.#unlessOver(configured)
    const session = await this.#unlessOver(started)
    if (!session) return
    this.phases.programStarted = now()
    this.#session = session
    this.#streams?.join(session)
    if (this.#spec.tty) session.resize(this.#terminal)
    for (const signo of this.#earlySignals.splice(0)) session.signal(signo)
    this.#program.resolve(session)
    session.wait().then(
      (exit) => this.#programEnded(exit),
      (error: Error) => this.#failBy(error),
    )
  }

  /** Undefined when it has ended meanwhile. */
  #unlessOver<T>(work: Promise<T>): Promise<T | undefined> {
    work.catch(() => {})
    return Promise.race([work, this.#result.promise.then(() => undefined)])
  }

  // --- how it ends ---

  async #programEnded(exit: ExitResult): Promise<void> {
    this.phases.exited ??= now()
    await this.#streams?.flushed()
    this.#settle(describeExit(exit, this.#spec.memoryBytes))
    this.#guest?.machine.stop()
  }

  #machineEnded(end: MachineEnd): void {
    this.#console.serial.end()
    this.#settle(describeEnd(end, this.#console, this.#spec.memoryBytes))
  }

  /** Why a guest died it says itself, if that is what happened. */
  async #failBy(error: Error): Promise<void> {
    await Promise.race([
      this.#guest?.machine.ended,
      this.#result.promise,
      new Promise((resolve) => setTimeout(resolve, DYING_MS).unref()),
    ])
    const { exitCode = EXIT.cloisterFailed, hint } = error as CloisterError
    const said = exitCode === EXIT.cloisterFailed ? this.#console.lines() : []
    const report = [hint === undefined ? error.message : `${error.message} ${hint}`, ...said].join('\n  ')
    this.kill({ exitCode, report })
  }

  #outputLost({ code }: NodeJS.ErrnoException): void {
    // A reader that has gone is what a pipe's writer learns by SIGPIPE: the program shall learn it too.
    if (code === 'EPIPE') this.signal(SIGPIPE)
    else {
      const report = `Cannot write the output of ${this.#spec.program}: the host gave ${code}. The program was ended.`
      this.kill({ exitCode: EXIT.cloisterFailed, report })
    }
  }

  /** The first word counts. */
  #settle(result: ExitResult): void {
    if (this.#over) return
    this.#over = true
    this.phases.exited ??= now()
    this.#program.resolve(undefined)
    this.#result.resolve(result)
  }

  async #releaseAll(): Promise<void> {
    this.#agent?.close()
    await this.#start?.saved()
    await this.#standstill.saved()
    await this.#guest?.close()
    await this.#reactor?.close()
    this.#streams?.close()
    this.#group?.remove()
  }

  #joinGroup(): void {
    const { directory, detached = false } = this.#options
    if (directory !== undefined) this.#group = joinVmmCgroup({ ...this.#spec, directory }, detached, this.#log)
  }

  readonly #log = (line: string) => this.#options.log?.(line)
  readonly #warn = (line: string) => (this.#options.warn ?? this.#log)(line)
}

/** @throws UsageError for what this level cannot do */
function checked({ source, program, memoryBytes, name }: RunSpec): FileSource {
  if (source.kind === 'kernel') {
    throw new UsageError(`Cannot run ${program} in a microVM: there is no program for it to run.`, {
      hint: 'Name one, or boot the kernel alone: leave --isolation out.',
    })
  }
  if (memoryBytes < MEMORY_MIN) {
    throw new UsageError(`Cannot run ${name}: a microVM needs at least ${MEMORY_MIN / MIB} MiB of memory.`, {
      hint: 'Give it more with --memory.',
    })
  }
  return source
}

const now = () => process.hrtime.bigint()
