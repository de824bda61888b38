/** What nobody inside may be given: whoever could write our records could speak for any instance. */
import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { stateRoots } from './state-root.ts'

/** Whether it is where Cloister keeps its own state, or would be if it were made. */
export function inOwnState(path: string): boolean {
  const { run, data } = stateRoots()
  return [run, data].some((root) => `${real(path)}${sep}`.startsWith(`${real(root)}${sep}`))
}

/** What is not there yet would be made in a directory that is. */
function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const parent = dirname(resolve(path))
    return parent === resolve(path) ? parent : join(real(parent), basename(path))
  }
}
