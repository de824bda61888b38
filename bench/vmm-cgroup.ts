/**
 * What a control group costs a VM's process: the way in, the way out after a while, and how much memory a VMM needs
 * beside its guest's, which decides its limit (src/vmm/vmm-cgroup.ts). Needs root.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { controllerMount, readCgroupLayout } from '../src/host/cgroup-layout.ts'
import type { RunSpec } from '../src/instance/run-spec.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { createUnikernel } from '../src/unikernel/unikernel.ts'
import { joinVmmCgroup, vmmLimits } from '../src/vmm/vmm-cgroup.ts'
import { printReport, rounds } from './report.ts'

const GUEST_MEMORY = 64 * MIB
const PROGRAMS = {
  'at rest': ['sleep', '1'],
  'memory filled': ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=24M', 'count=1'],
  'output, 64 MiB': ['dd', 'if=/dev/zero', 'bs=64k', 'count=1024'],
  'output, a line at a time': ['seq', '20000'],
} as const
/** Long enough for the kernel to leave the fast way that it keeps open for a moment after a move. */
const STAY_MS = 500

if (process.argv[2] === 'one') await one(process.argv[3] as keyof typeof PROGRAMS)
else if (process.geteuid?.() === 0) report()
else process.stderr.write('vmm-cgroup is left out: only root may make control groups here.\n')

/** In a process of its own: a group counts what was touched since it was joined. */
async function one(name: keyof typeof PROGRAMS): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
  const facts = { name: `bench-${process.pid}`, directory, memoryBytes: GUEST_MEMORY, cpus: 1 }
  const quiet = openSync('/dev/null', 'w')
  const before = performance.now()
  const group = joinVmmCgroup(facts, true, (line) => process.stderr.write(`${line}\n`))
  const joinMs = performance.now() - before
  const instance = createUnikernel(spec(PROGRAMS[name]), { stdio: { stdout: quiet, stderr: quiet } })
  await instance.start()
  const { exitCode } = await instance.wait()
  if (exitCode !== 0) throw new Error(`the program ended with ${exitCode}`)
  const file = (controller: string, v1: string, v2: string) => {
    const mount = controllerMount(readCgroupLayout(), controller)
    const name = mount?.version === 1 ? v1 : v2
    return readFileSync(join(mount?.mountPoint ?? '', group.joined?.cgroup.path ?? '', name), 'utf8')
  }
  const peak = Number(file('memory', 'memory.max_usage_in_bytes', 'memory.peak'))
  const throttled = Number(/^nr_throttled (\d+)/m.exec(file('cpu', 'cpu.stat', 'cpu.stat'))?.[1] ?? 0)
  await instance.close()
  await new Promise((resolve) => setTimeout(resolve, STAY_MS))
  const leaving = performance.now()
  group.remove()
  const leaveMs = performance.now() - leaving
  closeSync(quiet)
  rmSync(directory, { recursive: true })
  process.stdout.write(JSON.stringify({ joinMs, leaveMs, peakMib: peak / MIB, throttled }))
}

function report(): void {
  const joins: number[] = []
  const leaves: number[] = []
  const peaks = new Map<string, number[]>()
  let throttled = 0
  for (let round = 0; round < rounds(5); round++) {
    for (const name of Object.keys(PROGRAMS)) {
      const { stdout, stderr, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), 'one', name])
      if (status !== 0) throw new Error(stderr.toString())
      const result = JSON.parse(stdout.toString())
      joins.push(result.joinMs)
      leaves.push(result.leaveMs)
      peaks.set(name, [...(peaks.get(name) ?? []), result.peakMib])
      throttled += result.throttled
    }
  }
  printReport({
    title: 'A control group for the VMM: the way in and out',
    unit: 'ms',
    peer: 'join',
    candidates: [
      { name: 'join', values: joins },
      { name: 'leave', values: leaves },
    ],
  })
  printReport({
    title: `Peak of what the group was charged, the guest's ${GUEST_MEMORY / MIB} MiB included`,
    unit: 'MiB',
    peer: 'at rest',
    candidates: [...peaks].map(([name, values]) => ({ name, values })),
  })
  const limits = vmmLimits({ memoryBytes: GUEST_MEMORY, cpus: 1 })
  process.stderr.write(`Periods in which ${limits.cpus} processors were not enough: ${throttled}\n`)
}

function spec(argv: readonly string[]): RunSpec {
  const path = '/bin/busybox'
  return {
    name: 'bench',
    isolation: 'unikernel',
    source: { kind: 'program', hostPath: path, path },
    program: path,
    argv: [path, ...argv],
    env: ['PATH=/bin'],
    cwd: '/',
    memoryBytes: GUEST_MEMORY,
    cpus: 1,
    interactive: false,
  }
}
