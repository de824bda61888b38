/** Detached instances from the command line, at every level alike. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { BUSYBOX } from './busybox-spec.ts'
import { type Cli, commandLine } from './cli.ts'
import { containerTest } from './containers.ts'
import { kvmTestSerial } from './kvm.ts'

export const LEVELS = [
  { isolation: 'unikernel', levelTest: kvmTestSerial },
  { isolation: 'container', levelTest: containerTest },
] as const

/** A command line whose instances are all gone when the test is over, however it ends. */
export function detachedCommandLine(t: ExecutionContext): Cli {
  const cloister = commandLine(t)
  t.teardown(async () => {
    const names = (await cloister(['ps', '-a', '-q'])).stdout.split('\n').filter(Boolean)
    if (names.length > 0) await cloister(['rm', '-f', ...names])
  })
  return cloister
}

/** The lab, being slow, sets more. */
const PATIENCE_MS = Number(process.env.CLOISTER_TEST_HANG_SECONDS ?? 20) * 1000

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !(await condition()); await sleep(10)) {
    if (Date.now() > deadline) throw new Error('it did not come to that')
  }
}

/** Shell code that forks nothing: a unikernel has one process. */
export const IDLE = 'while :; do :; done'
export const COUNT_FOR_EVER =
  'i=0; while :; do i=$((i+1)); echo $i; j=0; while [ $j -lt 5000 ]; do j=$((j+1)); done; done'
export const upTo = (last: number): string => Array.from({ length: last }, (_, at) => `${at + 1}\n`).join('')
export const countTo = (last: number) => `i=0; while [ $i -lt ${last} ]; do i=$((i+1)); echo $i; done`

export const shell = (script: string) => [BUSYBOX, 'sh', '-c', script]

/** Starts instances of one level. */
export const starter =
  (isolation: string) =>
  async (t: ExecutionContext, cloister: Cli, args: readonly string[], name = 'web'): Promise<void> => {
    const { status, stdout, stderr } = await cloister(['run', '-d', '--isolation', isolation, '--name', name, ...args])
    t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${name}\n`, stderr: '' })
  }

export async function recordOf(cloister: Cli, name = 'web') {
  const { stdout } = await cloister(['ps', '-a', '--json'])
  return (JSON.parse(stdout) as Record<string, unknown>[]).find((record) => record.name === name)
}

export const logOf = async (cloister: Cli, ...args: string[]) => (await cloister(['logs', ...args, 'web'])).stdout
