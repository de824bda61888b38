/**
 * What a guest's Linux says on its serial port: passed on to the log line by line, and the last of it kept for the report
 * of a guest that gave up.
 */
import { createLineSink, type LineSink } from '../vmm/line-sink.ts'

const LINES_KEPT = 12
/** What follows it is registers and addresses, for the log. */
const PANIC_LINES = 3
/** `[    1.234567] ` with printk.time, `<4>` where levels are printed. */
const PREFIX = /^(<\d+>)?(\[ *\d+\.\d+\](\[ *[TC]\d+\])? )?/
const PANIC = /^Kernel panic - not syncing: /
const OUT_OF_MEMORY = /^(Out of memory|Memory cgroup out of memory)/

export interface ConsoleLog {
  readonly serial: LineSink
  /** The last few lines; of a kernel that panicked, those in which it said why. */
  lines(): readonly string[]
  /** Whether it panicked for want of memory. */
  readonly outOfMemory: boolean
}

export function createConsoleLog(log: (line: string) => void): ConsoleLog {
  const kept: string[] = []
  const panic: string[] = []
  return {
    serial: createLineSink((line) => {
      log(line)
      const text = line.replace(PREFIX, '')
      if (PANIC.test(text) || (panic.length > 0 && panic.length < PANIC_LINES)) panic.push(text)
      kept.push(text)
      if (kept.length > LINES_KEPT) kept.shift()
    }),
    lines: () => (panic.length > 0 ? panic : kept),
    get outOfMemory() {
      return panic.some((line) => /out of memory|deadlocked on memory/i.test(line)) || panicAfterKill(kept, panic)
    },
  }
}

/** The last program that could be ended was the agent itself. */
const panicAfterKill = (kept: readonly string[], panic: readonly string[]) =>
  panic.length > 0 && kept.some((line) => OUT_OF_MEMORY.test(line))
