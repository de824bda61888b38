/**
 * Would a unikernel start sooner from a snapshot of one that has booted? From the request to the first byte of output, by
 * booting and by going on from a snapshot, in a process that has done both before and in one that has done neither, which
 * is what `cloister run` is. What a warm start would need besides (a place for the program's files in a guest that has
 * booted already) is not in it.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Instance } from '../src/instance/instance.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { createUnikernel } from '../src/unikernel/unikernel.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const BUSYBOX = '/bin/busybox'
const WARMUPS = 3
const quiet = openSync('/dev/null', 'w')

if (process.argv[2] === 'one') {
  const [directory] = process.argv.slice(3)
  process.stdout.write(String(await firstOutputMs(directory)))
} else await report()

async function report(): Promise<void> {
  const parent = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
  const directory = join(parent, 'snapshot')
  try {
    const original = await started()
    while (original.phases.firstOutput === undefined) await turn()
    await original.snapshot!({ directory })
    await end(original)
    const alone = (...args: string[]) =>
      Number(execFileSync(process.execPath, [fileURLToPath(import.meta.url), 'one', ...args]))
    const candidates = await takeTurns(
      [
        { name: 'boot, in this process', measure: () => firstOutputMs() },
        { name: 'go on, in this process', measure: () => firstOutputMs(directory) },
        { name: 'boot, in a new process', measure: () => alone() },
        { name: 'go on, in a new process', measure: () => alone(directory) },
      ],
      { runs: rounds(20), warmups: WARMUPS },
    )
    const title = 'A unikernel, from the request to its first output'
    printReport({ title, unit: 'ms', peer: 'boot, in this process', candidates })
  } finally {
    rmSync(parent, { recursive: true })
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => resolve()))
}

async function firstOutputMs(from?: string): Promise<number> {
  const instance = await started(from)
  while (instance.phases.firstOutput === undefined) await turn()
  const { requested, firstOutput } = instance.phases
  await end(instance)
  return Number(firstOutput - requested!) / 1e6
}

async function started(from?: string): Promise<Instance> {
  const instance = createUnikernel(
    {
      name: 'bench',
      isolation: 'unikernel',
      source: { kind: 'program', hostPath: BUSYBOX, path: BUSYBOX },
      program: BUSYBOX,
      argv: [BUSYBOX, 'sh', '-c', 'while :; do echo x; done'],
      env: ['PATH=/bin'],
      cwd: '/',
      memoryBytes: 128 * MIB,
      cpus: 1,
      interactive: false,
      ...(from !== undefined && { from }),
    },
    { stdio: { stdout: quiet, stderr: quiet } },
  )
  await instance.start()
  return instance
}

async function end(instance: Instance): Promise<void> {
  instance.kill({ exitCode: 0 })
  await instance.close()
}
