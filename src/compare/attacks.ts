/** What a bad neighbour does (rootfs/attack.c), and what must come of it. One row an attack. */

import { release, version } from 'node:os'
import { PIDS_LIMIT } from '../container/bundle.ts'
import type { Isolation } from '../instance/run-spec.ts'
import type { Attack } from './comparison.ts'

export interface AttackRow {
  readonly attack: Attack
  /** In words: what the attacker does. */
  readonly does: string
  /** Words for `attack`: it ends by itself after this time. */
  readonly args: (ms: number, memoryBytes: number) => string[]
  /** It ends at once: to last, it is started again and again. */
  readonly repeated?: true
  /** What becomes of the attacker, or why it is not tried. */
  readonly expected: Readonly<Record<Isolation, string | { readonly notTried: string }>>
  /** Whether the attacker came to the end that it should. */
  readonly ended: Readonly<Record<Isolation, (exitCode: number, said: string) => boolean>>
}

const MIB = 2 ** 20
/** Of the instance's memory, and then more than all of it. */
const HOG_SHARE = 0.75
const OUT_OF_MEMORY = 137
/** attack.c: mmap refused. */
const REFUSED = 3
const TIMED_OUT = 124
const GUEST_DIED = 125

const all = <T>(value: T): Record<Isolation, T> => ({ container: value, unikernel: value, microvm: value })

export const ATTACK_ROWS: readonly AttackRow[] = [
  {
    attack: 'forkBomb',
    does: 'forks as often as it can, and so do its children',
    args: (ms) => ['fork', String(ms)],
    expected: {
      container: `${PIDS_LIMIT} processes at most`,
      unikernel: 'it cannot fork',
      microvm: 'all of them in its own machine',
    },
    ended: {
      container: (_, said) => said.includes('then refused'),
      unikernel: (_, said) => said.includes('then refused'),
      // That kernel may run out of processes or of memory, or only of time.
      microvm: () => true,
    },
  },
  {
    attack: 'memoryHog',
    does: 'writes to most of its memory over and over, then takes more than it has',
    args: (ms, memoryBytes) => ['memory', String(ms), String(Math.floor((memoryBytes * HOG_SHARE) / MIB))],
    expected: {
      container: 'killed at its limit',
      unikernel: 'refused at the end of its memory',
      microvm: 'held to its own memory',
    },
    ended: {
      container: (exitCode) => exitCode === OUT_OF_MEMORY,
      unikernel: (exitCode) => exitCode === REFUSED || exitCode === OUT_OF_MEMORY,
      // Where a first touch is dear, its time may be over before its memory is full.
      microvm: (exitCode) => exitCode === OUT_OF_MEMORY || exitCode === TIMED_OUT,
    },
  },
  {
    attack: 'cpuHog',
    does: 'computes in as many processes as it may start, up to four',
    args: (ms) => ['cpu', String(ms)],
    expected: all('held to one processor'),
    ended: all((exitCode: number) => exitCode === 0),
  },
  {
    attack: 'kernelCrash',
    does: "brings down the kernel below it, if that is not the host's, again and again",
    args: (ms) => ['kernel', String(ms), `${release()} ${version()}`],
    repeated: true,
    expected: {
      container: { notTried: "its kernel is the host's, all would fall with it" },
      unikernel: 'its own kernel panics',
      microvm: 'its own kernel goes down',
    },
    ended: {
      container: () => false,
      unikernel: (exitCode) => exitCode === GUEST_DIED,
      microvm: (exitCode) => exitCode === GUEST_DIED,
    },
  },
]
