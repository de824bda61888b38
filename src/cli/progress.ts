/**
 * What is going on, for people who wait: on a terminal one line that is written over and over, elsewhere a line a part.
 */
import { printError } from './terminal.ts'

export interface Progress {
  readonly tell: (part: string, step?: string) => void
  /** Leaves the terminal as it was. */
  end(): void
}

/** @param silent nobody waits */
export function createProgress({ silent }: { readonly silent: boolean }): Progress {
  if (silent) return { tell: () => {}, end: () => {} }
  return process.stderr.isTTY ? oneLine() : aLineEach()
}

const CLEAR_LINE = '\r\u001b[K'

function oneLine(): Progress {
  const write = (text: string) => process.stderr.write(text)
  return {
    tell(part, step) {
      const line = step === undefined ? part : `${part}: ${step}`
      write(`${CLEAR_LINE}${line.slice(0, (process.stderr.columns || 80) - 1)}`)
    },
    end: () => write(CLEAR_LINE),
  }
}

function aLineEach(): Progress {
  let last = ''
  return {
    tell(part) {
      if (part !== last) printError(`cloister: ${part}`)
      last = part
    },
    end() {},
  }
}
