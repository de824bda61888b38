/** A VMM that meets the memory limit of its control group, from outside: what the user is told, and who else notices. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { controllerMount, readCgroupLayout } from '../../src/host/cgroup-layout.ts'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { type kvmTest, kvmTestSerial } from '../helpers/kvm.ts'

const MIB = 2 ** 20
const layout = readCgroupLayout()
const memory = controllerMount(layout, 'memory')
const test: typeof kvmTest = process.geteuid?.() === 0 && memory !== undefined ? kvmTestSerial : () => {}

const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('a VMM that its group kills ends as 137 with a reason, its neighbour runs on, and no group stays', async (t) => {
  const cloister = commandLine(t)
  const run = ['run', '-d', '--isolation', 'unikernel', '--memory', '64M']
  t.teardown(() => cloister(['rm', '-f', 'hog', 'calm']))
  t.is((await cloister([...run, '--name', 'calm', BUSYBOX, 'sleep', '600'])).status, 0)
  // Counts for some seconds first: there is one process, and no other to sleep.
  const greedy = 'i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'
  t.is((await cloister([...run, '--name', 'hog', BUSYBOX, 'sh', '-c', greedy])).status, 0)
  t.is((await cloister(['pause', 'hog'])).status, 0)
  const inspect = async (name: string) => JSON.parse((await cloister(['inspect', name])).stdout)[0]
  const { path, directories } = (await inspect('hog')).details.controlGroups
  t.true(directories.length > 0)
  const file = memory?.version === 1 ? 'memory.limit_in_bytes' : 'memory.max'
  // As if the VMM had gone wild: the guest stays within its own memory.
  writeFileSync(join(memory!.mountPoint, path, file), String(16 * MIB))
  t.is((await cloister(['resume', 'hog'])).status, 0)
  let state = { status: 'running' } as Record<string, unknown>
  while (state.status === 'running') {
    await rest(100)
    state = (await inspect('hog')).state
  }
  t.like(state, { status: 'crashed', exitCode: 137, outOfMemory: true })
  t.regex(String(state.report), /^The VMM of "hog" was killed/)
  t.is((await inspect('calm')).state.status, 'running')
  t.is((await cloister(['rm', '-f', 'hog', 'calm'])).status, 0)
  t.false(directories.some((directory: string) => existsSync(directory)))
})
