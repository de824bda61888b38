/**
 * runc and crun as peers, by themselves: the bundle that `runc spec` writes, around a directory with the probe, and a
 * state directory of our own. None of what Cloister adds is in there: no seccomp policy, no limits, no init.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { probePath } from '../paths.ts'
import { type Contender, ContenderRefused } from './contender.ts'
import { findProgram } from './find-program.ts'
import type { Scratch } from './scratch.ts'

/** @throws ContenderRefused where it is not installed, or writes no bundle */
export function ociPeer(name: 'runc' | 'crun', scratch: Scratch): Contender {
  const file = findProgram(name, `apt-get install ${name}`)
  const state = scratch.path(`${name}-state`)
  let launched = 0
  return {
    name,
    kind: 'peer',
    what: `${name} run, with the bundle that "${name} spec" writes`,
    success: 0,
    runsProbe: true,
    prepare: (probeArguments) => {
      const bundle = makeBundle(file, scratch.path(name), ['/probe', ...probeArguments])
      return () => {
        const id = `cloister-bench-${process.pid}-${name}-${++launched}`
        return { file, args: ['--root', state, 'run', '--bundle', bundle, id], env: scratch.env }
      }
    },
    // A runtime that is killed removes nothing, and without its state nobody else would find the container.
    close: () => {
      for (const id of existsSync(state) ? readdirSync(state) : []) remove(file, state, id)
    },
  }
}

function makeBundle(file: string, bundle: string, args: readonly string[]): string {
  const root = join(bundle, 'rootfs')
  mkdirSync(root, { recursive: true })
  copyFileSync(probePath, join(root, 'probe'))
  const { status, stderr, error } = spawnSync(file, ['spec'], { cwd: bundle, encoding: 'utf8' })
  if (status !== 0) throw new ContenderRefused(`"${file} spec" failed: ${error?.message ?? stderr.trim()}`)
  const path = join(bundle, 'config.json')
  const config = JSON.parse(readFileSync(path, 'utf8'))
  config.process = { ...config.process, terminal: false, args }
  writeFileSync(path, JSON.stringify(config))
  return bundle
}

function remove(file: string, state: string, id: string): void {
  spawnSync(file, ['--root', state, 'delete', '--force', id], { stdio: 'ignore' })
}
