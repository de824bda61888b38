/**
 * What a VM costs while its guest sleeps: processor time and switches of all threads of its VMM, over twenty seconds,
 * beside QEMU with the same guest kernel and program at the same time. Before that, the first seconds are let go by: V8
 * collects garbage when a program turns quiet, once. What remains of both is the guest's own timer, which cannot be set
 * further ahead than a few seconds.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram } from '../src/bench/find-program.ts'
import { machineLine } from '../src/bench/qemu-peer.ts'
import { planCpio } from '../src/image/cpio.ts'
import { rootTree } from '../src/image/root-tree.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { packageRoot, unikernelPath } from '../src/paths.ts'
import { printReport } from './report.ts'

const SETTLE_MS = 20_000
const MEASURE_MS = 20_000
const PROGRAM = '/bin/busybox'
const PEER = 'QEMU microvm'
const cloister = join(packageRoot, 'bin/cloister')
const root = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
const env = { ...process.env, CLOISTER_ROOT: root }

interface Spent {
  /** On a processor, all threads together. */
  readonly ns: number
  readonly switches: number
}

interface Inspected {
  readonly state: { readonly owner: { readonly pid: number } }
}

/** proc_pid_schedstat(5), proc_pid_status(5); kernel threads that work for the VM are among the tasks of its process. */
function spent(pid: number): Spent {
  const tasks = readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`)
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
  return {
    ns: sum(tasks.map((task) => Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0]))),
    switches: sum(
      tasks.flatMap((task) =>
        [...readFileSync(`${task}/status`, 'utf8').matchAll(/ctxt_switches:\s*(\d+)/g)].map(([, count]) =>
          Number(count),
        ),
      ),
    ),
  }
}

function startCloister(): number {
  const run = ['run', '-d', '--name', 'idle', '--isolation', 'unikernel', PROGRAM, 'sleep', '100000']
  execFileSync(cloister, run, { env, stdio: 'ignore' })
  const [inspected] = JSON.parse(execFileSync(cloister, ['inspect', 'idle'], { env, encoding: 'utf8' })) as [Inspected]
  return inspected.state.owner.pid
}

function startQemu() {
  const archive = planCpio(rootTree({ kind: 'program', hostPath: PROGRAM, path: '/busybox' }))
  const bytes = new Uint8Array(archive.size)
  archive.write(bytes)
  const initrd = join(root, 'root.cpio')
  writeFileSync(initrd, bytes)
  const kernel = ['-kernel', unikernelPath, '-initrd', initrd, '-append', '-- /busybox sleep 100000']
  return spawn(findProgram('qemu-system-x86_64', 'apt-get install qemu-system-x86'), [
    ...machineLine(128 * MIB),
    ...kernel,
  ])
}

const qemu = startQemu()
try {
  const pids = { [PEER]: qemu.pid!, Cloister: startCloister() }
  await sleep(SETTLE_MS)
  const before = Object.values(pids).map(spent)
  await sleep(MEASURE_MS)
  const used = Object.values(pids).map((pid, index) => {
    const { ns, switches } = spent(pid)
    return { us: (ns - before[index]!.ns) / 1000, switches: switches - before[index]!.switches }
  })
  const candidates = (value: (spent: { us: number; switches: number }) => number) =>
    Object.keys(pids).map((name, index) => ({ name, values: [value(used[index]!)] }))
  const seconds = MEASURE_MS / 1000
  printReport({
    title: `Processor time of a VM whose guest sleeps (of ${seconds} s; 0.1 % of a core are ${seconds * 1000} us)`,
    unit: 'us',
    peer: PEER,
    candidates: candidates(({ us }) => us),
  })
  printReport({
    title: `How often any thread of it was switched to or from in ${seconds} s`,
    unit: 'times',
    peer: PEER,
    candidates: candidates(({ switches }) => switches),
  })
} finally {
  qemu.kill('SIGKILL')
  await once(qemu, 'exit')
  execFileSync(cloister, ['rm', '-f', 'idle'], { env, stdio: 'ignore' })
  rmSync(root, { recursive: true, force: true })
}
