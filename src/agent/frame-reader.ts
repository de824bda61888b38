/** Bytes of a guest, in any slices, to whole frames. Holds one frame at most. */
import { FRAME_MAX, HEADER_SIZE } from './protocol.ts'

/** What a guest may not send; the message completes "it broke the protocol, with ...". */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** @returns takes the next bytes, which stay the caller's. @throws FrameError for a length above the maximum */
export function frameReader(
  onFrame: (type: number, session: number, payload: Buffer) => void,
): (bytes: Uint8Array) => void {
  const header = Buffer.alloc(HEADER_SIZE)
  let payload: Buffer | undefined
  let filled = 0

  const fill = (into: Buffer, bytes: Uint8Array, at: number): number => {
    const part = bytes.subarray(at, at + into.length - filled)
    into.set(part, filled)
    filled += part.length
    return at + part.length
  }
  return (bytes) => {
    for (let at = 0; at < bytes.length || payload?.length === filled; ) {
      if (payload === undefined) {
        at = fill(header, bytes, at)
        if (filled < HEADER_SIZE) return
        const length = header.readUInt32LE(0)
        if (length > FRAME_MAX) throw new FrameError(`a frame of ${length} bytes`)
        payload = Buffer.allocUnsafe(length)
        filled = 0
      }
      at = fill(payload, bytes, at)
      if (filled < payload.length) return
      const whole = payload
      payload = undefined
      filled = 0
      onFrame(header.readUInt16LE(4), header.readUInt16LE(6), whole)
    }
  }
}
