/**
 * The microvm level: the program under a Linux of its own, in a virtual machine of its own, looked after by our agent.
 * This process is its VMM.
 */
import { type Agent, agentClient } from '../agent/client.ts'
import type { Hello } from '../agent/messages.ts'
import type { AgentSession } from '../agent/session.ts'
import { Reactor } from '../backends/reactor.ts'
import { type CloisterError, EXIT, HostError, UsageError } from '../errors.ts'
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
import { summarizeCpuPolicy } from '../machine/cpu-policy-summary.ts'
import type { MachineEnd } from '../machine/exit-handler.ts'
import { MIB } from '../memory/memory-map.ts'
import { agentPath } from '../paths.ts'
import { hostStamp } from '../snapshot/host-check.ts'
import { askForMemory, guestMemoryUsage } from '../vmm/balloon-requests.ts'
import { securityOfVm } from '../vmm/security.ts'
import { joinVmmCgroup, type VmmCgroup } from '../vmm/vmm-cgroup.ts'
import { vmmUsage } from '../vmm/vmm-usage.ts'
import { execProcess } from './agent-process.ts'
import { createConsoleLog } from './console-log.ts'
import { deadline } from './deadline.ts'
import { endsByDefault } from './early-signals.ts'
import { describeEnd, describeExit } from './ending.ts'
import { type Guest, type GuestOrder, openGuest, RestoreFailure } from './guest.ts'
import { type GuestLinux, guestLinux } from './guest-linux.ts'
import { type Asked, GuestStart } from './guest-start.ts'
import { findModules, modulesStamp } from './kernel-modules.ts'
import { programFiles } from './program-files.ts'
import { openProgramStreams, type ProgramStreams } from './program-streams.ts'
import { rootImage } from './root-image.ts'
import type { Resumption, SnapshotSubject } from './snapshot.ts'
import { warmStart } from './warm.ts'
import { warmKey } from './warm-key.ts'

const SIGPIPE = 13
/** A kernel and the program's pages; below this nothing useful fits. */
const MEMORY_MIN = 32 * MIB
/** One that goes on answers in milliseconds, on a host with time for it. */
const RESTORE_MS = 60_000
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
  /** A snapshot is being written. */
  #saving: Promise<void> | undefined
  readonly #calledOff = new AbortController()
  #paused = false
  /** Its programs are held while it stands still; this lets them go on. */
  #goOnLater: (() => Promise<void>) | undefined
  /** Until its programs are held no longer. */
  #held: Promise<void> | undefined
  readonly #beingStarted = new Set<Promise<unknown>>()
  /** Path of the root image. */
  #image: string | undefined
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
  }

  async start(): Promise<void> {
    this.phases.requested = now()
    const { detached = false } = this.#options
    const source = checked(this.#spec)
    const from = await this.#openResumption()
    this.#linux = from?.linux ?? guestLinux(this.#spec.kernel)
    if (this.#linux.flavour === 'software-kvm' && this.#spec.cpus > 1) {
      this.#warn(`the Linux for a software KVM runs on one processor: --cpus ${this.#spec.cpus} gives it no more`)
    }
    const image = from?.image ?? (await this.#rootImage(source))
    this.#image = image
    if (this.#over || image === undefined) return from?.close()
    if (detached) this.#joinGroup()
    const order = this.#order(image, this.#linux)
    const guest = from ? await this.#openFrom(order, from) : await this.#newStart(order, source, image).open()
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
    await this.#guest.machine.pause()
    this.#paused = true
  }

  async resume(): Promise<void> {
    this.#paused = false
    this.#guest?.machine.resume()
    const goOn = this.#goOnLater
    this.#goOnLater = undefined
    await goOn?.()
  }

  async snapshot(asked: SnapshotOrder): Promise<SnapshotFacts> {
    const cannot = `Cannot take a snapshot of "${this.#spec.name}"`
    const ended = () => new UsageError(`${cannot}: it has just ended.`)
    if (!this.#guest) throw new UsageError(`${cannot}: it has not started yet.`)
    const program = await this.#program.promise
    await this.#start?.saved()
    const [guest, agent, linux, image] = [this.#guest, this.#agent, this.#linux, this.#image]
    if (!program || this.#over || !agent || !linux || image === undefined) throw ended()
    const goesOn = withResolvers<void>()
    this.#held = goesOn.promise
    const takeBack = this.#group?.makeRoom(this.#spec.memoryBytes)
    try {
      return await this.#save({ spec: this.#spec, linux, image, guest, agent }, asked, goesOn.resolve)
    } catch (error) {
      const ending = this.#calledOff.signal.aborted || (this.#over && !(error instanceof HostError))
      throw ending ? ended() : error
    } finally {
      goesOn.resolve()
      takeBack?.()
    }
  }

  async #save(subject: SnapshotSubject, asked: SnapshotOrder, goesOn: () => void): Promise<SnapshotFacts> {
    const { holdPrograms, saveMicrovm } = await import('./snapshot.ts')
    const paused = this.#paused
    const { signal } = this.#calledOff
    // What is half started could not be told so over another connection.
    await Promise.allSettled(this.#beingStarted)
    const hold = () => holdPrograms(subject, (reason) => this.#failBy(reason))
    // One that stands still since its last snapshot is as it has to be.
    const goOn = this.#goOnLater ?? (await this.#runningMeanwhile(subject.guest, hold))
    if (paused) {
      this.#goOnLater = goOn
      return await this.#untilSaved(saveMicrovm(subject, asked, { paused, onContinued: () => {}, signal }))
    }
    const { promise: continued, resolve: onContinued } = withResolvers<void>()
    const saved = this.#untilSaved(saveMicrovm(subject, asked, { paused, onContinued, signal }))
    saved.catch(() => {}).then(() => onContinued())
    await continued
    // The files are written beside its work.
    await this.#unlessOver(goOn())
    goesOn()
    return await saved
  }

  /** What a snapshot reads stays until it is written. */
  #untilSaved<T>(saved: Promise<T>): Promise<T> {
    this.#saving = saved.then(
      () => {},
      () => {},
    )
    return saved
  }

  /** What stands still answers nobody. */
  async #runningMeanwhile<T>(guest: Guest, work: () => Promise<T>): Promise<T> {
    if (!this.#paused) return await work()
    this.#paused = false
    guest.machine.resume()
    try {
      return await work()
    } finally {
      await guest.machine.pause()
      this.#paused = true
    }
  }

  async setMemory(bytes: number): Promise<void> {
    askForMemory(this.#spec, this.#guest?.devices.balloon, bytes)
  }

  /** Once its own program runs: until then there is nothing to be beside. */
  async exec(asked: ExecSpec): Promise<ExecSession> {
    const cannot = `Cannot run ${asked.tool ?? asked.argv[0]} in "${this.#spec.name}"`
    const program = await this.#program.promise
    await this.#held
    if (!program || this.#over || !this.#agent) throw new UsageError(`${cannot}: it has ended.`)
    const started = this.#agent.start(execProcess(this.#spec, asked))
    this.#beingStarted.add(started)
    return await started.finally(() => this.#beingStarted.delete(started))
  }

  usage(): Usage {
    const balloon = this.#guest?.devices.balloon
    return {
      ...vmmUsage(),
      memoryLimitBytes: this.#spec.memoryBytes,
      exits: this.#guest?.machine.exits() ?? 0,
      ...(balloon && { guestMemory: guestMemoryUsage(balloon) }),
    }
  }

  describe(): InstanceDescription {
    const facts = this.#guest?.devices.describe()
    const policy = this.#guest?.machine.policy
    return {
      security: securityOfVm({
        ...this.#spec,
        kernel: this.#spec.kernel ?? 'a Linux of its own',
        files: 'an image that it reads, and what it writes in its memory',
        vsock: facts?.vsock !== undefined,
        group: this.#group,
      }),
      details: {
        kernel: this.#linux?.path,
        start: this.#spec.from !== undefined ? 'snapshot' : this.#guest?.restored ? 'warm' : 'cold',
        ...(this.#release !== undefined && { kernelRelease: this.#release }),
        ...facts,
        ...this.#group?.describe(),
        ...(policy && { processor: summarizeCpuPolicy(policy), policy }),
      },
    }
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

  #newStart(order: GuestOrder, source: FileSource, image: string): GuestStart {
    const { linux } = order
    const { initrd } = this.#spec
    const index = linux.flavour === 'foreign' && initrd === undefined ? findModules(linux.path) : undefined
    const modules = index && modulesStamp(index)
    const parts = [agentPath, ...(initrd === undefined ? [] : [initrd])]
    const facts = { spec: this.#spec, digest: linux.digest, files: parts, modules, host: hostStamp() }
    const files = programFiles(source, this.#spec)
    const way = (key: string | undefined) => (key === undefined ? undefined : warmStart(key, this.#log))
    const ways = { booted: way(warmKey(facts)), rooted: way(warmKey({ ...facts, root: [image, ...files] })), files }
    this.#start = new GuestStart(order, ways, {
      log: this.#log,
      terminal: () => this.#terminal,
      isPaused: () => this.#paused,
      isOver: () => this.#over,
      unlessOver: (work) => this.#unlessOver(work),
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

  async #openResumption(): Promise<Resumption | undefined> {
    if (this.#spec.from === undefined) return undefined
    const { resumeFrom } = await import('./snapshot.ts')
    return await resumeFrom({ ...this.#spec, from: this.#spec.from })
  }

  async #openFrom(order: GuestOrder, from: Resumption): Promise<Guest> {
    const context = { ...order.context, ownFiles: from.ownFiles }
    try {
      return await openGuest({ ...order, spec: from.spec, context }, from.snapshot)
    } catch (error) {
      throw error instanceof RestoreFailure ? error.cause : error
    } finally {
      from.close()
    }
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

  /** Its program was held in another guest; it has not done anything in this one. */
  async #goOnFrom(guest: Guest): Promise<void> {
    void guest.machine.ended.then((end) => this.#machineEnded(end))
    const { goOnAs, notHeld } = await import('./snapshot.ts')
    const late = deadline(RESTORE_MS, () => this.#paused)
    try {
      const stream = await this.#unlessOver(Promise.race([guest.agentStream(), late.failed]))
      if (!stream) return
      const agent = agentClient(stream, { isPaused: () => this.#paused })
      this.#agent = agent
      const hello = await this.#unlessOver(Promise.race([agent.hello(), late.failed]))
      if (!hello) return
      this.#greeted(hello)
      const main = hello.sessions.find((session) => session.main)
      if (!main || !hello.held) throw notHeld()
      const { released, session } = goOnAs(this.#spec, guest, agent, main.id)
      await this.#runProgram({ configured: released, started: Promise.resolve(session) })
    } finally {
      late.clear()
    }
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
    await this.#saving
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

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((given) => {
    resolve = given
  })
  return { promise, resolve }
}

const now = () => process.hrtime.bigint()
