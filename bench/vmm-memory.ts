/**
 * Memory of a VM whose guest sleeps, without devices and with a disk and a tap: private pages of its VMM, those of the
 * guest's memory that were touched included, which are the same kernel's on both sides. /proc/PID/smaps_rollup
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryOf } from '../src/compare/process-memory.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { printReport, rounds, takeTurns } from './report.ts'
import { type Devices, type Resting, RestingVms } from './resting.ts'

/** V8 gives memory back some seconds after a program has turned quiet. */
const SETTLE_MS = 8000
const PEER = 'QEMU microvm'

const vms = new RestingVms()
const devices = vms.makeDevices()

async function measure(start: () => Resting): Promise<number> {
  const vm = start()
  await sleep(SETTLE_MS)
  const { privateBytes } = memoryOf([vm.pid])
  await vm.end()
  if (privateBytes === 0) throw new Error(`process ${vm.pid} has ended`)
  return privateBytes / MIB
}

const players = (attached?: Devices) => [
  { name: PEER, measure: () => measure(() => vms.startQemu(attached)) },
  { name: 'Cloister', measure: () => measure(() => vms.startCloister(attached)) },
]

try {
  for (const attached of devices ? [undefined, devices] : [undefined]) {
    const candidates = await takeTurns(players(attached), { runs: rounds(5), warmups: 0 })
    const what = attached ? 'with a disk and a tap' : 'without devices'
    printReport({ title: `Private memory of a VM at rest, ${what}`, unit: 'MiB', peer: PEER, candidates })
  }
} finally {
  await vms.close()
}
