/**
 * What a kernel of the user's own hears and says when no program of ours runs on it: its serial port is the caller's
 * standard input and output. What it says on a virtio console (hvc0) comes out there too; nothing goes in that way.
 */
import { createFdSink } from '../backends/fd-sink.ts'
import { openInput } from '../backends/open-input.ts'
import { createStreamSource } from '../backends/stream-source.ts'
import type { ByteSink, ByteSource, FdSink } from '../backends/streams.ts'
import { virtioConsole } from '../devices/virtio-console.ts'
import type { Stdio } from '../instance/instance.ts'
import { type GuestStreams, marking } from './guest-streams.ts'

const SIGINT = 2
/** What a terminal sends for Ctrl-C: ETX. */
const INTERRUPT_CHARACTER = 0x03

export interface SerialStreams extends Omit<GuestStreams, 'sendArgs' | 'hold' | 'release' | 'state'> {
  /** What arrives on the serial port; undefined when standard input is not connected. */
  readonly input: ByteSource | undefined
}

export interface SerialStreamsOptions {
  readonly stdio: Stdio
  onFirstOutput(): void
  /** The host refused output for good: a full disk, or (EPIPE) a reader that has gone. */
  onOutputLost(error: NodeJS.ErrnoException): void
  /** A signal that no line leads to the guest for. */
  onSignal(signo: number): void
}

export function createSerialStreams(options: SerialStreamsOptions): SerialStreams {
  const { stdio, onFirstOutput, onOutputLost, onSignal } = options
  const sinks: FdSink[] = []
  const openStdout = (): ByteSink => {
    const sink = createFdSink(stdio.stdout, { onClosed: onOutputLost })
    sinks.push(sink)
    return marking(sink, onFirstOutput)
  }
  const stream = stdio.stdin === undefined ? undefined : openInput(stdio.stdin)
  const input = stream && withKeys(createStreamSource(stream))
  const device = virtioConsole({ ports: [{ name: 'console', isConsole: true, sink: openStdout() }] })
  return {
    device,
    input,
    openStdout,
    // A terminal would have sent the character: whoever reads on the other end decides what it means.
    sendSignal: (signo) => (signo === SIGINT && input ? input.press(INTERRUPT_CHARACTER) : onSignal(signo)),
    resize: (size) => device.resize(size),
    flushed: () => device.flushed(),
    close() {
      stream?.destroy()
      for (const opened of sinks) opened.close()
    },
  }
}

/** A source in whose bytes others can be put in between. */
function withKeys(source: ByteSource): ByteSource & { press(key: number): void } {
  const pressed: number[] = []
  let readable = () => {}
  return {
    read(into) {
      if (pressed.length === 0) return source.read(into)
      const keys = pressed.splice(0, into.length)
      into.set(keys)
      return keys.length
    },
    onReadable(listener) {
      readable = listener
      source.onReadable(listener)
    },
    press(key) {
      pressed.push(key)
      readable()
    },
  }
}
