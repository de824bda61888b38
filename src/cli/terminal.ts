/** Writing to the standard streams so that every byte is out before the process ends. */
import { writeSync } from 'node:fs'

const STDOUT = 1
const STDERR = 2
const RETRY_MS = 1

/** Whoever reads our output closed it (`cloister ps | head -1`): nothing is left to say. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed'
}

export const print = (line: string): void => writeAll(STDOUT, Buffer.from(`${line}\n`))

/** A message that nobody reads is no reason to fail a second time. */
export function printError(lines: string): void {
  try {
    writeAll(STDERR, Buffer.from(`${lines}\n`))
  } catch {
    // Standard error is closed.
  }
}

/** @throws OutputClosed */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') throw new OutputClosed()
      if (code !== 'EAGAIN') throw error
      // Somebody else made the pipe non-blocking and it is full: wait for its reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
    }
  }
}

/** Colour for people only: on a terminal, and not where NO_COLOR is set (no-color.org) or the terminal is dumb. */
export function wantsColour(
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  return isTerminal && !env.NO_COLOR && env.TERM !== 'dumb'
}

export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold'
const SGR: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 }

export const colouring =
  (wanted: boolean) =>
  (colour: Colour, text: string): string =>
    wanted ? `\u001b[${SGR[colour]}m${text}\u001b[0m` : text
