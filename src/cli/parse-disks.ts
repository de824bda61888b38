/** `--disk FILE[:ro|:cow|:base=IMAGE][:bps=RATE][:iops=RATE]`, as often as wanted. What the files are is looked at when they are opened. */
import { posix } from 'node:path'
import { UsageError } from '../errors.ts'
import type { DiskSpec, Isolation } from '../instance/run-spec.ts'
import { splitRate } from './parse-rate.ts'

/** /dev/vda to /dev/vdh. The interrupt controller has room for hardly more, and other devices need some. */
const MOST_DISKS = 8
/** At the end of a file's name: a word too many rather than a part of the name. */
const SUFFIX = /:(?:ro|cow|(?:bps|iops)=[^:]*|base=.*)$/s

export function parseDisks(asked: readonly string[], isolation: Isolation): readonly DiskSpec[] {
  if (asked.length > 0 && isolation === 'container') {
    throw new UsageError(`Cannot attach ${asked[0]} to a container: disks are for virtual machines.`, {
      hint: '--disk goes with --isolation microvm or unikernel.',
    })
  }
  if (asked.length > MOST_DISKS) {
    throw new UsageError(`Cannot attach ${asked.length} disks: a virtual machine takes ${MOST_DISKS} at most.`)
  }
  const disks = asked.map(parseDisk)
  const writers = disks.filter(({ readOnly, copyOnWrite }) => !readOnly && !copyOnWrite)
  const twice = writers.find(
    ({ path }) => disks.filter((other) => path === other.path || path === other.base).length > 1,
  )
  if (twice) {
    throw new UsageError(`Cannot attach ${twice.path} twice: one disk would not know what the other writes.`, {
      hint: 'A file may come up several times if all are read-only: FILE:ro.',
    })
  }
  return disks
}

function parseDisk(text: string): DiskSpec {
  const { rest, rate } = splitRate(text)
  const option = /^(?<file>.*):(?:(?<flag>ro|cow)|base=(?<base>.*))$/s.exec(rest)?.groups
  const { file = rest, flag, base } = option ?? {}
  if (file === '' || base === '') {
    throw new UsageError(`Cannot attach "${text}" as a disk: it names no file.`, {
      hint: 'Write --disk FILE, FILE:ro, FILE:cow or FILE:base=IMAGE.',
    })
  }
  const extra = SUFFIX.exec(file)?.[0]
  if (extra !== undefined) {
    throw new UsageError(`Cannot attach "${text}" as a disk: "${extra}" cannot stand before what follows it.`, {
      hint: 'Of :ro, :cow and :base=IMAGE there is one at most, and rates come last. If the name of a file ends so: FILE/. is the same file.',
    })
  }
  return {
    path: posix.resolve(file),
    readOnly: flag === 'ro',
    ...(flag === 'cow' ? { copyOnWrite: true } : {}),
    ...(base === undefined ? {} : { base: posix.resolve(base) }),
    ...(rate && { rate }),
  }
}
