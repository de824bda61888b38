/** `--disk FILE[:ro]`, as often as wanted. */
import { posix } from 'node:path'
import type { DiskSpec, Isolation } from '../instance/run-spec.ts'

export function parseDisks(asked: readonly string[], _isolation: Isolation): readonly DiskSpec[] {
  return asked.map((text) => {
    const readOnly = text.endsWith(':ro')
    return { path: posix.resolve(readOnly ? text.slice(0, -3) : text), readOnly }
  })
}
