/**
 * What our guest kernel says, on the control port and, when something is wrong, on the serial port: passed on to the
 * log line by line, and the last of it kept for the report of a guest that gave up.
 */
import type { ByteSink } from '../backends/streams.ts'
import { createLineSink, type LineSink } from '../vmm/line-sink.ts'

const LINES_KEPT = 8
const REFUSALS_KEPT = 8
/** What the kernel puts in front of its lines on the serial port (panic.c). */
const SERIAL_PREFIX = 'cloister guest kernel: '
/** syscall.c says so once for each call. */
const REFUSED = /^system call (\w+|without a name) \((\d+)\) is not supported/
/** What would make a second process or thread, or replace the one there is. */
const PROCESS_CALLS = new Set(['fork', 'vfork', 'clone', 'clone3', 'execve', 'execveat'])

export interface KernelLog {
  /** Takes a line of the control port. */
  control(line: string): void
  readonly serial: LineSink
  /** The serial port of a kernel that prints to the user: what was read there is not said again. */
  overhear(sink: ByteSink): ByteSink
  /** The last few lines. */
  lines(): readonly string[]
  /** A sentence for each system call that the program asked for and the kernel does not have. */
  refusedCalls(): readonly string[]
}

export function createKernelLog(log: (line: string) => void): KernelLog {
  const kept: string[] = []
  const heard: string[] = []
  const refused: string[] = []

  const keep = (lines: string[], line: string) => {
    lines.push(line)
    if (lines.length > LINES_KEPT) lines.shift()
  }
  const hear = (line: string): string => {
    const text = line.startsWith(SERIAL_PREFIX) ? line.slice(SERIAL_PREFIX.length) : line
    keep(heard, text)
    return text
  }
  const note = (line: string) => {
    keep(kept, line)
    log(line)
  }
  const overheard = createLineSink(hear)

  return {
    control(line) {
      // A panic is said on both ports, on the serial port first.
      if (heard.includes(line)) return
      note(line)
      const [, name, number] = REFUSED.exec(line) ?? []
      if (name && number && refused.length < REFUSALS_KEPT) refused.push(describeRefusal(name, number))
    },
    serial: createLineSink((line) => note(hear(line))),
    overhear: (sink) => ({
      ...sink,
      write(bytes) {
        const count = sink.write(bytes)
        overheard.write(bytes.subarray(0, count))
        return count
      },
    }),
    lines: () => kept,
    refusedCalls: () => refused,
  }
}

function describeRefusal(name: string, number: string): string {
  const why = PROCESS_CALLS.has(name) ? ': a unikernel runs one process with one thread' : ''
  return `${name} (system call ${number}) is not supported${why} (docs/unikernel-abi.md)`
}
