/** Collects bytes into lines for a log; a guest that never ends a line cannot make it grow. */
import type { ByteSink } from '../backends/streams.ts'

const LINE_MAX = 512

export function createLineSink(emit: (line: string) => void): ByteSink {
  let line = ''
  const flush = () => {
    if (line !== '') emit(line)
    line = ''
  }
  return {
    write(bytes) {
      for (const byte of bytes) {
        if (byte === 0x0a) flush()
        else if (byte >= 0x20 && byte < 0x7f) line += String.fromCharCode(byte)
        if (line.length >= LINE_MAX) flush()
      }
      return bytes.length
    },
    onDrain() {},
  }
}
