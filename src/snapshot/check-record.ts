/**
 * What this host has found out about a snapshot, kept in its directory: that every byte of its large files was what the
 * manifest says, and that its processor would do. Holds as long as the files and the host are the same, and only when the
 * record is our own: nobody else can make a file of ours, and a time of change cannot be chosen.
 */
import { closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { FILES } from './manifest.ts'
import type { SnapshotFiles } from './snapshot-files.ts'

const SCHEMA = 'cloister-snapshot-check/1'
const RECORD_MAX = 64 * 1024

export interface CheckRecord {
  /** Of the manifest. */
  readonly digest: string
  /** Where its processor would do: `hostStamp`. */
  readonly host: string
  /** What every large file was, by name. */
  readonly stamps: Readonly<Record<string, string>>
}

/** Undefined when there is none that can be relied on. */
export function readCheck(files: SnapshotFiles, digest: string): CheckRecord | undefined {
  try {
    const file = files.open(FILES.checked)
    try {
      const { uid, mode } = fstatSync(file.fd)
      if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) return undefined
      const text = files.readOpen(file, FILES.checked, RECORD_MAX).toString()
      const record = JSON.parse(text) as CheckRecord & { schema: string }
      const fits = record.schema === SCHEMA && record.digest === digest && Object(record.stamps) === record.stamps
      return fits ? record : undefined
    } finally {
      closeSync(file.fd)
    }
  } catch {
    return undefined
  }
}

/** All but the time of change, which a further name changes too: by that alone nobody can tell what was done. */
export const looksTheSame = (before: string, now: string): boolean =>
  withoutChangeTime(before) === withoutChangeTime(now)

const withoutChangeTime = (stamp: string) => stamp.slice(0, stamp.lastIndexOf(' '))

/** Best effort: without it everything is looked at again next time. */
export function writeCheck(directory: string, record: CheckRecord): void {
  const file = join(directory, FILES.checked)
  const temporary = `${file}.${process.pid}.new`
  try {
    const fd = openSync(temporary, 'wx', 0o600)
    try {
      writeSync(fd, JSON.stringify({ schema: SCHEMA, ...record }))
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, file)
  } catch {
    rmSync(temporary, { force: true })
  }
}
