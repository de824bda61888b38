/**
 * What the guest hears and says: one virtio-console whose ports are the program's standard streams and the control
 * channel (guest-kernel/include/abi.h). What it wrote before it ended still reaches the host.
 */
import { isatty } from '../../kvm-bindings/ffi.ts'
import { createBufferSource } from '../backends/buffer-stream.ts'
import { createFdSink } from '../backends/fd-sink.ts'
import { createGatedSource } from '../backends/gated-source.ts'
import { openInput } from '../backends/open-input.ts'
import { createStreamSource } from '../backends/stream-source.ts'
import type { ByteSink, FdSink } from '../backends/streams.ts'
import { virtioConsole } from '../devices/virtio-console.ts'
import { UsageError } from '../errors.ts'
import type { Stdio, TerminalSize } from '../instance/instance.ts'
import type { VirtioDevice } from '../virtio/device.ts'
import { ARGS } from './abi.ts'
import {
  argsMessage,
  type ControlEvents,
  createControlParser,
  holdMessage,
  type ProgramArgs,
  type Release,
  releaseMessage,
  signalMessage,
  stdinEndMessage,
} from './control-channel.ts'

const SIGPIPE = 13

export interface GuestStreams {
  readonly device: VirtioDevice
  /** Standard output once more, for a kernel that talks on the serial port. A sink has one listener, so one user. */
  openStdout(): ByteSink
  sendArgs(args: Omit<ProgramArgs, 'flags'>): void
  sendSignal(signo: number): void
  /** Of the terminal of the program's own. */
  resize(size: TerminalSize): void
  /**
   * Has the program stand still, wherever it is, until `release`; resolves when it does. What is said to it meanwhile
   * waits here, its input too.
   */
  hold(): Promise<void>
  release(release: Release): void
  /** What another guest's streams need to go on as these would. While it is held. */
  state(): InputState
  /** Resolves when all output the guest made available is with the host; a reader that does not read keeps it waiting. */
  flushed(): Promise<void>
  /** No more input, no more output. */
  close(): void
}

export interface InputState {
  /** Bytes of standard input that the guest has. */
  readonly delivered: number
  /** It was told that there are no more. */
  readonly ended: boolean
}

export interface GuestStreamsOptions extends Omit<ControlEvents, 'onHeld'> {
  readonly stdio: Stdio
  /** The program gets a terminal of its own, this large. */
  readonly terminal?: TerminalSize
  /** The guest is the copy of one that was held with its input so; it waits for `release`. */
  readonly from?: InputState
  /** Bytes that the message with arguments and environment may have. */
  readonly argsMax: number
  onFirstOutput(): void
  /** The host refused output for good, such as a full disk; virtio-console has no way to tell the program. */
  onOutputLost(error: NodeJS.ErrnoException): void
}

export function createGuestStreams({
  stdio,
  terminal,
  from,
  argsMax,
  onFirstOutput,
  onOutputLost,
  ...events
}: GuestStreamsOptions): GuestStreams {
  const control = createBufferSource()
  /** What waits for the release; undefined while nobody is held. */
  let waiting: (() => void)[] | undefined = from && []
  const onHeld: (() => void)[] = []
  let ended = from?.ended ?? false
  const whenReleased = (work: () => void) => {
    if (waiting) waiting.push(work)
    else work()
  }
  const sendSignal = (signo: number) => whenReleased(() => control.push(signalMessage(signo)))
  const sinks: FdSink[] = []
  const open = (fd: number): FdSink => {
    const onClosed = (error: NodeJS.ErrnoException) => {
      // A reader that has gone is what a pipe's writer learns by SIGPIPE: the program shall learn it too.
      if (error.code === 'EPIPE') sendSignal(SIGPIPE)
      else onOutputLost(error)
    }
    const sink = createFdSink(fd, { onClosed })
    sinks.push(sink)
    return sink
  }
  const openStdout = () => marking(open(stdio.stdout), onFirstOutput)
  const input = stdio.stdin === undefined || ended ? undefined : openInput(stdio.stdin)
  const before = from?.delivered ?? 0
  const onEnd = (total: number) =>
    whenReleased(() => {
      ended = true
      control.push(stdinEndMessage(before + total))
    })
  const stdin = input && createGatedSource(createStreamSource(input, { onEnd }))
  if (from) stdin?.shut()
  const held = () => {
    for (const resolve of onHeld.splice(0)) resolve()
  }
  const device = virtioConsole({
    ...(terminal === undefined ? {} : { size: terminal }),
    ports: [
      { name: 'stdio', isConsole: true, sink: openStdout(), source: stdin },
      { name: 'stderr', isConsole: false, sink: open(stdio.stderr) },
      { name: 'control', isConsole: false, sink: createControlParser({ ...events, onHeld: held }), source: control },
    ],
  })
  return {
    device,
    openStdout,
    async hold() {
      stdin?.shut()
      control.push(holdMessage())
      waiting ??= []
      await new Promise<void>((resolve) => onHeld.push(resolve))
    },
    release(release) {
      const late = waiting ?? []
      waiting = undefined
      control.push(releaseMessage(release))
      for (const work of late) work()
      stdin?.open()
    },
    state: () => ({ delivered: before + (stdin?.delivered ?? 0), ended }),
    sendArgs(args) {
      const message = argsMessage({ ...args, flags: terminal ? terminalFlags(stdio) : streamFlags(stdio) })
      if (message.length > argsMax) throw argumentsTooLong(message.length, argsMax)
      control.push(message)
    },
    sendSignal,
    resize: (size) => device.resize(size),
    flushed: () => device.flushed(),
    close() {
      input?.destroy()
      for (const opened of sinks) opened.close()
    },
  }
}

const argumentsTooLong = (bytes: number, max: number) =>
  new UsageError(`Cannot start the program: its arguments and environment have ${bytes} bytes, ${max} fit.`, {
    hint: 'Pass long data on standard input or in a file, or give the guest more with --memory.',
  })

export function marking(sink: ByteSink, onWrite: () => void): ByteSink {
  return {
    ...sink,
    write(bytes) {
      onWrite()
      return sink.write(bytes)
    },
  }
}

/** All three are that one terminal, whatever is behind them here. */
const terminalFlags = ({ stdin }: Stdio): number =>
  (stdin === undefined ? 0 : ARGS.stdin) | ARGS.stdinTty | ARGS.stdoutTty | ARGS.stderrTty | ARGS.tty

function streamFlags({ stdin, stdout, stderr }: Stdio): number {
  let bits = 0
  if (stdin !== undefined) bits |= ARGS.stdin | (isatty(stdin) ? ARGS.stdinTty : 0)
  if (isatty(stdout)) bits |= ARGS.stdoutTty
  if (isatty(stderr)) bits |= ARGS.stderrTty
  return bits
}
