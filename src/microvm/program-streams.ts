/**
 * The caller's standard streams joined to those of the program in the guest. Whoever does not read makes the program
 * wait, and what it wrote before it ended still reaches the host.
 */
import type { Readable } from 'node:stream'
import { createFdSink } from '../backends/fd-sink.ts'
import { openInput } from '../backends/open-input.ts'
import type { FdSink } from '../backends/streams.ts'
import type { ExecSession } from '../instance/exec.ts'
import type { Stdio } from '../instance/instance.ts'

export interface ProgramStreams {
  /** Once: from now on they are the program's. Until then all input stays where it is. */
  join(program: Pick<ExecSession, 'stdin' | 'stdout' | 'stderr'>): void
  /** Resolves when all that the program wrote is with the host; a reader that does not read keeps it waiting. */
  flushed(): Promise<void>
  /** No more input, no more output. */
  close(): void
}

export interface ProgramStreamsEvents {
  onFirstOutput(): void
  /** The host refused output for good: a full disk, or (EPIPE) a reader that has gone. */
  onOutputLost(error: NodeJS.ErrnoException): void
}

export function openProgramStreams(stdio: Stdio, events: ProgramStreamsEvents): ProgramStreams {
  const sinks: FdSink[] = []
  const open = (fd: number) => {
    const sink = createFdSink(fd, { onClosed: events.onOutputLost })
    sinks.push(sink)
    return sink
  }
  const [stdout, stderr] = [open(stdio.stdout), open(stdio.stderr)]
  const done: Promise<void>[] = []
  let input: Readable | undefined
  return {
    join(program) {
      program.stdout.once('data', events.onFirstOutput)
      program.stderr.once('data', events.onFirstOutput)
      done.push(pour(program.stdout, stdout), pour(program.stderr, stderr))
      if (stdio.stdin === undefined) {
        program.stdin.end()
        return
      }
      input = openInput(stdio.stdin)
      // Its end by a fault is its end too; a program that has closed its side is no fault.
      input.on('error', () => program.stdin.end())
      program.stdin.on('error', () => input?.destroy())
      input.pipe(program.stdin)
    },
    async flushed() {
      await Promise.all(done)
      for (const sink of sinks) await sink.flush()
    },
    close() {
      input?.destroy()
      for (const sink of sinks) sink.close()
    },
  }
}

/** Resolves when nothing more comes and all of it was taken. */
function pour(from: Readable, sink: FdSink): Promise<void> {
  let left: Uint8Array | undefined
  return new Promise((resolve) => {
    let ended = false
    const settle = () => {
      if (ended && left === undefined) resolve()
    }
    const write = (bytes: Uint8Array) => {
      const taken = sink.write(bytes)
      left = taken < bytes.length ? bytes.subarray(taken) : undefined
      if (left) from.pause()
      else from.resume()
      settle()
    }
    sink.onDrain(() => {
      if (left) write(left)
    })
    from.on('data', write)
    for (const event of ['end', 'close', 'error']) {
      from.on(event, () => {
        ended = true
        settle()
      })
    }
  })
}
