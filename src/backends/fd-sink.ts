/**
 * Writes a byte stream to a file descriptor of the host, straight from the caller's bytes and never blocking the event
 * loop. What is behind the descriptor decides how:
 * - a pipe or terminal is opened once more, non-blocking: its flags belong to an open file description that other
 *   processes share, so they must not be changed on the descriptor we were given;
 * - a regular file is written as it is: opened anew it would start at offset 0;
 * - a socket cannot be opened anew: see socket-sink.ts.
 */
import { closeSync, constants, fstatSync, openSync, type Stats, writeSync } from 'node:fs'
import { createSocketSink } from './socket-sink.ts'
import type { FdSink } from './streams.ts'

export interface FdSinkOptions {
  /** Told once when nobody reads any more (EPIPE) or the host refuses for good; output is swallowed from then on. */
  readonly onClosed?: (error: NodeJS.ErrnoException) => void
}

/** Tries to write again: soon at first, since a reader that keeps up is back within microseconds. */
const IMMEDIATE_RETRIES = 32
const FIRST_DELAY_MS = 1
const LONGEST_DELAY_MS = 16

export const createFdSink = (fd: number, { onClosed = () => {} }: FdSinkOptions = {}): FdSink => {
  const stats = fstatSync(fd)
  let own = stats.isFIFO() || stats.isCharacterDevice() ? reopen(fd) : undefined
  if (own === undefined && needsEvents(stats)) return createSocketSink(fd, onClosed)

  let closed = false
  let retries = 0
  let waiting = false
  let drained = () => {}

  const fail = (error: NodeJS.ErrnoException): void => {
    closed = true
    onClosed(error)
  }
  const retryLater = (): void => {
    if (waiting) return
    waiting = true
    const again = () => {
      waiting = false
      drained()
    }
    const delay = Math.min(FIRST_DELAY_MS * 2 ** (retries - IMMEDIATE_RETRIES), LONGEST_DELAY_MS)
    if (retries++ < IMMEDIATE_RETRIES) setImmediate(again)
    else setTimeout(again, delay)
  }

  return {
    write: (bytes) => {
      if (closed) return bytes.length
      let done = 0
      try {
        while (done < bytes.length) {
          done += writeSync(own ?? fd, bytes, done, bytes.length - done)
          retries = 0
        }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code !== 'EAGAIN') {
          fail(error as NodeJS.ErrnoException)
          return bytes.length
        }
        retryLater()
      }
      return done
    },
    onDrain: (listener) => {
      drained = listener
    },
    flush: async () => {},
    close: () => {
      closed = true
      if (own !== undefined) closeSync(own)
      own = undefined
    },
  }
}

const needsEvents = (stats: Stats): boolean => stats.isFIFO() || stats.isSocket()

/** A description of our own for the same pipe or device; undefined where the host does not let us have one. */
const reopen = (fd: number): number | undefined => {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
}
