/**
 * What a comparison has a column for: every isolation level, and a microVM in both of its ways of starting, because
 * they differ by more than levels do. Inside, the two are the same.
 */
import type { Isolation } from '../instance/run-spec.ts'

/** In the order in which they are measured and shown; as `--levels` and the JSON name them. */
export const COMPARED = ['container', 'unikernel', 'microvm', 'microvm-cold'] as const
export type Compared = (typeof COMPARED)[number]

interface ComparedLevel {
  readonly isolation: Isolation
  /** What people read. */
  readonly name: string
  /** Options of `run`. */
  readonly options: readonly string[]
  /** The level that is the same once the program runs: what is measured inside is measured there alone. */
  readonly insideLike?: Compared
}

const LEVELS: Readonly<Record<Compared, ComparedLevel>> = {
  container: { isolation: 'container', name: 'container', options: ['--isolation', 'container'] },
  unikernel: { isolation: 'unikernel', name: 'unikernel', options: ['--isolation', 'unikernel'] },
  /** From the snapshot of a kernel that has booted: how `run` starts one. */
  microvm: { isolation: 'microvm', name: 'microvm (warm)', options: ['--isolation', 'microvm'] },
  'microvm-cold': {
    isolation: 'microvm',
    name: 'microvm (cold)',
    options: ['--isolation', 'microvm', '--cold'],
    insideLike: 'microvm',
  },
}

export const isolationOf = (level: Compared): Isolation => LEVELS[level].isolation
export const nameOf = (level: Compared): string => LEVELS[level].name
export const runOptions = (level: Compared): readonly string[] => LEVELS[level].options

/** The level that is the same once the program runs. */
export const insideLike = (level: Compared): Compared | undefined => LEVELS[level].insideLike

/** Without those that are, inside, what another of them is. */
export const differentInside = (levels: readonly Compared[]): readonly Compared[] =>
  levels.filter((level) => {
    const other = insideLike(level)
    return other === undefined || !levels.includes(other)
  })
