import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import anyTest, { type ExecutionContext } from 'ava'
import { instanceCgroup, instanceKey } from '../../src/host/cgroup.ts'
import { readCgroupLayout } from '../../src/host/cgroup-layout.ts'
import { sweepVmmCgroup, vmmCrash, vmmLimits } from '../../src/vmm/vmm-cgroup.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const STAND_IN = fileURLToPath(new URL('../helpers/vmm-stand-in.js', import.meta.url))
const GUEST = 16 * 2 ** 20
const layout = readCgroupLayout()

const test = process.geteuid?.() === 0 && layout.kind !== 'none' ? anyTest.serial : anyTest.serial.skip

async function start(t: ExecutionContext, ...what: string[]) {
  const directory = temporaryDirectory(t)
  const name = `vmm-${process.pid}`
  const child = spawn(process.execPath, [STAND_IN, directory, name, ...what], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    await sweepVmmCgroup(name, directory)
  })
  const cgroup = instanceCgroup(layout, { key: instanceKey(name, directory) })
  const line = async () => JSON.parse(String((await once(child.stdout, 'data'))[0]))
  return { child, exited, directory, name, cgroup, line }
}

test('a VMM is in a group of its own: guest and VMM memory, its processors and one more, its threads', async (t) => {
  const { child, cgroup, line } = await start(t, 'stay')
  t.deepEqual((await line()).limits, vmmLimits({ memoryBytes: GUEST, cpus: 1 }))
  t.deepEqual(cgroup.processes(), [child.pid])
  t.true((cgroup.memoryUse() ?? 0) > 0)
})

test('one that leaves leaves nothing', async (t) => {
  const { exited, cgroup } = await start(t, 'leave')
  t.deepEqual(await exited, [0, null])
  t.deepEqual(cgroup.directories(), [])
})

test('a foreground command joins only when it turns out to stay', async (t) => {
  const { child, cgroup, line } = await start(t, 'stay', 'foreground')
  t.is((await line()).limits, null)
  t.deepEqual((await line()).limits, vmmLimits({ memoryBytes: GUEST, cpus: 1 }))
  t.deepEqual(cgroup.processes(), [child.pid])
})

test('a VMM that takes more than its share is killed alone, and whoever sweeps it knows why', async (t) => {
  const { exited, cgroup, name, directory } = await start(t, 'hog')
  t.deepEqual(await exited, [null, 'SIGKILL'])
  t.like(vmmCrash(name, directory, GUEST), { exitCode: 137, outOfMemory: true })
  t.regex(vmmCrash(name, directory, GUEST)?.report ?? '', /more than the 112 MiB of its control group/)
  t.regex((await sweepVmmCgroup(name, directory))[0] ?? '', /^removed the control group of the VMM/)
  t.deepEqual(cgroup.directories(), [])
  t.deepEqual(await sweepVmmCgroup(name, directory), [])
})

test('one that needs more for a while gets it, and gives it back when it can', async (t) => {
  const { child, exited } = await start(t, 'room')
  const limits: number[] = []
  for await (const line of createInterface(child.stdout)) limits.push(JSON.parse(line).limits.memoryBytes)
  t.deepEqual(await exited, [0, null])
  const { memoryBytes: usual } = vmmLimits({ memoryBytes: GUEST, cpus: 1 })
  const more = usual + 8 * GUEST
  t.deepEqual(limits, [usual, more, more, usual])
})

test('one that is killed from outside did not run out of memory; its group goes with the sweep', async (t) => {
  const { child, exited, cgroup, name, directory, line } = await start(t, 'stay')
  await line()
  child.kill('SIGKILL')
  await exited
  t.is(vmmCrash(name, directory, GUEST), undefined)
  t.true(cgroup.directories().length > 0)
  t.is((await sweepVmmCgroup(name, directory)).length, 1)
  t.deepEqual(cgroup.directories(), [])
})
