/** Our levels as contenders: whole `cloister run` commands. */
import { join } from 'node:path'
import type { Isolation } from '../instance/run-spec.ts'
import { packageRoot, probePath } from '../paths.ts'
import type { Contender, GuestLoad, Launcher } from './contender.ts'
import type { Scratch } from './scratch.ts'

export const cloisterPath = join(packageRoot, 'bin/cloister')

export function ownLevel(isolation: Isolation, memoryBytes: number, scratch: Scratch): Contender {
  return {
    name: isolation,
    kind: 'level',
    what: `cloister run --isolation ${isolation}`,
    success: 0,
    runsProbe: true,
    ...(isolation === 'unikernel' && { prepareLoad: (load) => loadUnikernel(load, memoryBytes, scratch) }),
    prepare: (probeArguments, { input = false } = {}) => {
      const flags = ['--rm', '--isolation', isolation, '--memory', String(memoryBytes), ...(input ? ['-i'] : [])]
      const args = ['run', ...flags, probePath, ...probeArguments]
      return () => {
        // One that rests is killed at rest and leaves no marks.
        if (input) return { file: cloisterPath, args, env: scratch.env }
        const marksFile = scratch.path('marks.json')
        return { file: cloisterPath, args, env: { ...scratch.env, CLOISTER_PHASES: marksFile }, marksFile }
      }
    },
  }
}

function loadUnikernel(
  { kernel, args, bootOptions = [], disk, tap }: GuestLoad,
  memoryBytes: number,
  { env }: Scratch,
): Launcher {
  const devices = [
    ...(disk === undefined ? [] : ['--disk', disk]),
    ...(tap === undefined ? [] : ['--net', `tap:${tap}`]),
  ]
  const append = bootOptions.length === 0 ? [] : ['--append', bootOptions.join(' ')]
  const flags = ['--rm', '--memory', String(memoryBytes), '--kernel', kernel, ...append, ...devices]
  return () => ({ file: cloisterPath, args: ['run', ...flags, probePath, ...args], env })
}
