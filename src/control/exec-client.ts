/** A further program in an instance, from the side of whoever asked for it: its streams, over the control connection. */
import { Readable, Writable } from 'node:stream'
import { HostError, UsageError } from '../errors.ts'
import type { ExecSpec } from '../instance/exec.ts'
import type { ExitResult, TerminalSize } from '../instance/instance.ts'
import { type ControlClient, HolderGone } from './client.ts'
import { FRAME_MAX, frameReader, frames, INPUT_WINDOW, STREAM } from './frames.ts'
import { REQUEST_MAX } from './protocol.ts'

export interface RemoteExec {
  /** Takes as much as the program reads. */
  readonly stdin: Writable
  /** The two share a connection: both are to be read. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** When it has ended and its output was read. Rejects with HolderGone when the connection ends before it. */
  readonly result: Promise<ExitResult>
  /** A Linux signal number. */
  signal(signo: number): void
  resize(size: TerminalSize): void
}

/** @throws UsageError when the instance refuses, HolderGone when it ends */
export async function execThrough(client: ControlClient, spec: ExecSpec): Promise<RemoteExec> {
  const request = { verb: 'exec', ...spec } as const
  // Of bytes: a character can be three.
  if (Buffer.byteLength(JSON.stringify(request)) >= REQUEST_MAX) {
    throw new UsageError(
      `Cannot run ${spec.argv[0]}: its arguments and environment are more than ${REQUEST_MAX} bytes.`,
    )
  }
  await client.ask(request)
  return streamsOf(client)
}

function streamsOf({ socket }: ControlClient): RemoteExec {
  const output = () => new Readable({ read: () => void socket.resume() })
  const [stdout, stderr] = [output(), output()]
  for (const one of [stdout, stderr]) one.on('close', () => void socket.resume())
  const input = inputOf(({ bytes }) => socket.write(bytes))
  const control = (stream: number, content: object) => {
    if (socket.writable) socket.write(frames(stream, Buffer.from(JSON.stringify(content))))
  }
  const result = new Promise<ExitResult>((resolve, reject) => {
    const end = () => {
      stdout.push(null)
      stderr.push(null)
      input.stream.destroy()
    }
    const onBytes = frameReader((stream, payload) => {
      if (stream === STREAM.stdout || stream === STREAM.stderr) {
        const output = stream === STREAM.stdout ? stdout : stderr
        // One that nobody wants any more must not keep the other, and the end, from coming.
        if (!output.destroyed && !output.push(Buffer.from(payload))) socket.pause()
      } else if (stream === STREAM.window) {
        input.allow((JSON.parse(payload.toString()) as { bytes: number }).bytes)
      } else if (stream === STREAM.end) {
        const { result, error } = JSON.parse(payload.toString()) as { result?: ExitResult; error?: string }
        end()
        if (result) resolve(result)
        else reject(new HostError(`Lost the program in the instance: ${error ?? 'its holder gave no reason'}.`))
      }
    })
    socket.on('data', (bytes) => {
      try {
        onBytes(bytes)
      } catch (error) {
        reject(error as Error)
        socket.destroy()
      }
    })
    socket.on('close', () => {
      end()
      reject(new HolderGone())
    })
    socket.resume()
  })
  // Whoever waits for it hears of it; the work may fail before.
  result.catch(() => {})
  return {
    stdin: input.stream,
    stdout,
    stderr,
    result,
    signal: (signo) => control(STREAM.signal, { signo }),
    resize: ({ cols, rows }) => control(STREAM.resize, { cols, rows }),
  }
}

/** Sends no more than it may; what is left waits, and with it whoever writes. */
function inputOf(send: (frame: { readonly bytes: Buffer }) => void) {
  let window = INPUT_WINDOW
  let waiting: { bytes: Buffer; done: () => void } | undefined
  const pump = () => {
    while (waiting && window > 0) {
      const part = waiting.bytes.subarray(0, Math.min(window, FRAME_MAX))
      send({ bytes: frames(STREAM.stdin, part) })
      window -= part.length
      waiting.bytes = waiting.bytes.subarray(part.length)
      if (waiting.bytes.length > 0) continue
      const { done } = waiting
      waiting = undefined
      done()
    }
  }
  const stream = new Writable({
    write(bytes: Buffer, _encoding, done) {
      // An empty frame would be the end.
      if (bytes.length === 0) return done()
      waiting = { bytes, done }
      pump()
    },
    final(done) {
      send({ bytes: frames(STREAM.stdin, Buffer.alloc(0)) })
      done()
    },
  })
  // Whoever writes to a program that has ended loses it, as with a pipe.
  stream.on('error', () => {})
  return {
    stream,
    allow(bytes: number) {
      window += bytes
      pump()
    },
  }
}
