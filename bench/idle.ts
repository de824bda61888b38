/**
 * What a VM costs while its guest sleeps: processor time and switches of all threads of its VMM, over twenty seconds,
 * beside QEMU with the same guest kernel and program at the same time, without devices and with a disk and a tap. Before
 * that, the first seconds are let go by: V8 collects garbage when a program turns quiet, once. What remains of all is the
 * guest's own timer, which cannot be set further ahead than a few seconds.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { printReport } from './report.ts'
import { RestingVms } from './resting.ts'

const SETTLE_MS = 20_000
const MEASURE_MS = 20_000
const PEER = 'QEMU microvm'

interface Spent {
  /** On a processor, all threads together. */
  readonly ns: number
  readonly switches: number
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

const vms = new RestingVms()
try {
  const groups = [{ what: 'without devices', pids: [vms.startQemu().pid, vms.startCloister().pid] }]
  // One tap is for one VM at a time.
  const [first, second] = [vms.makeDevices(), vms.makeDevices()]
  if (first && second)
    groups.push({
      what: 'with a disk and a tap',
      pids: [vms.startQemu(first).pid, vms.startCloister(second).pid],
    })
  await sleep(SETTLE_MS)
  const before = groups.map(({ pids }) => pids.map(spent))
  await sleep(MEASURE_MS)
  const after = groups.map(({ pids }) => pids.map(spent))
  const seconds = MEASURE_MS / 1000
  for (const [group, { what }] of groups.entries()) {
    const candidates = (value: (spent: Spent) => number) =>
      [PEER, 'Cloister'].map((name, index) => ({
        name,
        values: [value(after[group]![index]!) - value(before[group]![index]!)],
      }))
    printReport({
      title: `Processor time of a VM whose guest sleeps, ${what} (of ${seconds} s; 0.1 % of a core are ${seconds * 1000} us)`,
      unit: 'us',
      peer: PEER,
      candidates: candidates(({ ns }) => ns / 1000),
    })
    printReport({
      title: `How often any thread of it was switched to or from in ${seconds} s, ${what}`,
      unit: 'times',
      peer: PEER,
      candidates: candidates(({ switches }) => switches),
    })
  }
} finally {
  await vms.close()
}
