/**
 * The stream of a connection that asked to attach or to exec: frames of an 8-byte header and up to 64 KiB. The header is that of docker's
 * multiplexed streams (Docker Engine API, "Attach to a container"): the stream in byte 0, the length in bytes 4 to 7,
 * big-endian.
 */

export const STREAM = {
  /** Client to server; an empty frame is the end of input. */
  stdin: 0,
  stdout: 1,
  stderr: 2,
  /** The last one, from the server: how it ended, or why the connection is given up, as JSON. */
  end: 3,
  /** The rest is for exec. Client to server, JSON: `{"signo":15}` to the program, `{"cols":80,"rows":24}` of its terminal. */
  signal: 4,
  resize: 5,
  /** Server to client, JSON: `{"bytes":N}` more of standard input may be sent. */
  window: 6,
} as const

/**
 * Of standard input that may be on its way, for exec: a program that reads none must not keep a signal, which comes on the
 * same connection, from reaching it.
 */
export const INPUT_WINDOW = 256 * 1024

export const HEADER_SIZE = 8
export const FRAME_MAX = 64 * 1024

/** The frames that carry these bytes. */
export function frames(stream: number, bytes: Uint8Array): Buffer {
  const parts: Buffer[] = []
  let at = 0
  do {
    const part = bytes.subarray(at, at + FRAME_MAX)
    const header = Buffer.alloc(HEADER_SIZE)
    header[0] = stream
    header.writeUInt32BE(part.length, 4)
    parts.push(header, Buffer.from(part.buffer, part.byteOffset, part.length))
    at += part.length
  } while (at < bytes.length)
  return Buffer.concat(parts)
}

export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/**
 * Takes bytes in any slices and calls back for every whole frame.
 * The returned function throws FrameError for a length above the maximum; the connection is of no use after that.
 */
export function frameReader(onFrame: (stream: number, payload: Buffer) => void): (bytes: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0)
  return (bytes) => {
    pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes])
    for (;;) {
      if (pending.length < HEADER_SIZE) return
      const length = pending.readUInt32BE(4)
      if (length > FRAME_MAX) throw new FrameError(`a frame of ${length} bytes`)
      if (pending.length < HEADER_SIZE + length) return
      const [stream, payload] = [pending[0]!, pending.subarray(HEADER_SIZE, HEADER_SIZE + length)]
      pending = pending.subarray(HEADER_SIZE + length)
      onFrame(stream, payload)
    }
  }
}
