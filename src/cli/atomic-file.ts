/** A file that is written as a whole or not at all: nobody ever reads half a report. rename(2) */
import { accessSync, closeSync, constants, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { pathFault, UsageError } from '../errors.ts'

const MODE = 0o644

/** Before the work whose result is to be written. @throws UsageError when it could not be written now */
export function checkReplaceable(file: string): void {
  try {
    accessSync(dirname(file), constants.W_OK | constants.X_OK)
  } catch (error) {
    throw cannotWrite(file, pathFault(error))
  }
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat?.isDirectory()) throw cannotWrite(file, 'it is a directory')
  if (stat && !stat.isFile()) throw cannotWrite(file, 'it is not a regular file')
}

export function replaceFile(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.new`
  try {
    const fd = openSync(temporary, 'wx', MODE)
    try {
      for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest))
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw cannotWrite(file, pathFault(error))
  }
}

const cannotWrite = (file: string, reason: string) => new UsageError(`Cannot write ${file}: ${reason}.`)
