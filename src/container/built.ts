/** The small programs of rootfs/ that containers are made with. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import { packageRoot } from '../paths.ts'

/** @throws HostError when it was not built */
export function builtProgram(name: 'init' | 'launch' | 'tool'): string {
  const path = join(packageRoot, 'rootfs/build', name)
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path
  throw new HostError(`Cannot start a container: ${path} is missing.`, { hint: 'Run make build first.' })
}
