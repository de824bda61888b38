/** Collects bytes into lines for a log; a guest that never ends a line cannot make it grow. */
import type { ByteSink } from '../backends/streams.ts'

const LINE_MAX = 512

export interface LineSink extends ByteSink {
  /** Emits what has no end of line yet: no more will come. */
  end(): void
}

export function createLineSink(emit: (line: string) => void): LineSink {
  let line = ''
  const end = () => {
    if (line !== '') emit(line)
    line = ''
  }
  return {
    write(bytes) {
      for (const byte of bytes) {
        if (byte === 0x0a) end()
        else if (byte >= 0x20 && byte < 0x7f) line += String.fromCharCode(byte)
        if (line.length >= LINE_MAX) end()
      }
      return bytes.length
    },
    onDrain() {},
    end,
  }
}
