/**
 * The standard streams of a detached program: pipes whose other ends are here. The level knows descriptors only, and
 * does what it does in the foreground.
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { pipe } from '../../kvm-bindings/ffi.ts'
import type { Stdio } from '../instance/instance.ts'
import type { OutputStream } from '../instance/output-log.ts'
import type { ProgramInput } from './attachments.ts'

/** All that could write is gone when this is waited for; the rest is in the pipe. */
const DRAIN_MS = 5000

export interface ProgramStreams {
  readonly stdio: Stdio
  readonly input: ProgramInput | undefined
  /** After the end of the program: closes its ends, and resolves when all it wrote was handed over. */
  drained(): Promise<void>
}

export function openProgramStreams(
  interactive: boolean,
  onOutput: (stream: OutputStream, bytes: Buffer) => void,
): ProgramStreams {
  const theirs: number[] = []
  const ended: Promise<unknown>[] = []
  const output = (stream: OutputStream): number => {
    const [read, write] = pipe()
    theirs.push(write)
    const socket = new Socket({ fd: read, readable: true, writable: false })
    socket.on('data', (bytes) => onOutput(stream, bytes))
    socket.on('error', () => socket.destroy())
    ended.push(new Promise((resolve) => socket.on('close', resolve)))
    return write
  }
  const [stdout, stderr] = [output('stdout'), output('stderr')]
  const { stdin, input, close = () => {} } = interactive ? openInput(theirs) : {}
  return {
    stdio: { ...(stdin === undefined ? {} : { stdin }), stdout, stderr },
    input,
    async drained() {
      for (const fd of theirs.splice(0)) closeSync(fd)
      close()
      let late: NodeJS.Timeout | undefined
      await Promise.race([
        Promise.all(ended),
        new Promise((resolve) => {
          late = setTimeout(resolve, DRAIN_MS)
        }),
      ])
      clearTimeout(late)
    },
  }
}

function openInput(theirs: number[]): { stdin: number; input: ProgramInput; close(): void } {
  const [read, write] = pipe()
  theirs.push(read)
  const socket = new Socket({ fd: write, readable: false, writable: true })
  // The program closed its input, or ended.
  socket.on('error', () => socket.destroy())
  return {
    stdin: read,
    close: () => void socket.destroy(),
    input: {
      // After its end it goes nowhere: to try would be an error, and cost what is still on its way.
      write: (bytes) => socket.destroyed || socket.writableEnded || socket.write(bytes),
      onDrain(listener) {
        const settle = () => {
          socket.off('drain', settle)
          socket.off('close', settle)
          listener()
        }
        socket.on('drain', settle)
        socket.on('close', settle)
      },
      end: () => void socket.end(),
    },
  }
}
