/** A machine that is saved while it is paused, and goes on in another: the whole of what snapshots are built on. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { BugError, HostError } from '../../src/errors.ts'
import { GENERATION_ID_GPA, MIB } from '../../src/memory/memory-map.ts'
import type { Ram } from '../../src/memory/ram.ts'
import type { Json, JsonObject } from '../../src/virtio/saved-state.ts'
import { bootGuest, type GuestOptions } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { openFds } from '../kvm-bindings/real-mode-guest.ts'

/** The first interrupts, the second halts, the third loops. */
const CPUS = 3
const MEMORY = 16 * MIB
const GENERATION_SIZE = 16

async function bootStorm(more: GuestOptions = {}) {
  let ram: Ram | undefined
  const modules = [{ name: 'the counters', size: 4096, write() {} }]
  const { machine, output } = await bootGuest('bare/smp-storm', {
    cpus: CPUS,
    memoryBytes: MEMORY,
    acpi: true,
    pit: true,
    devices: [virtioRng({ fill: (bytes) => bytes.fill(0) })],
    modules,
    ...more,
    onRam(given) {
      ram = given
      more.onRam?.(given)
    },
  })
  /** The module lies at the top of memory. */
  const steps = () => {
    const { memory } = ram!
    return Array.from({ length: CPUS }, (_, id) => memory.readU32(MEMORY - 4096 + 4 * id))
  }
  const moved = async (from: readonly number[]) => {
    while (steps().some((step, id) => step === from[id])) await sleep(1)
  }
  return { machine, output, steps, moved, memory: () => ram!.memory }
}

/** A machine at work was paused: its state as a file would give it back, and its memory. */
async function saved(t: ExecutionContext) {
  const { machine, steps, moved, memory } = await bootStorm()
  try {
    await t.throwsAsync(machine.save(), { instanceOf: BugError })
    machine.start()
    await moved([0, 0, 0])
    await machine.pause()
    const state = JSON.parse(JSON.stringify(await machine.save())) as JsonObject
    return { state, bytes: memory().bytes(0, MEMORY).slice(), steps: steps() }
  } finally {
    await machine.close()
  }
}

kvmTestSerial(
  'one that was stopped while it stood still has ended: it is not paused, and there is nothing to save',
  async (t) => {
    const { machine } = await bootStorm()
    try {
      machine.start()
      await machine.pause()
      t.true(machine.isPaused())
      machine.stop()
      t.false(machine.isPaused())
      await t.throwsAsync(machine.save(), { instanceOf: BugError })
      t.notThrows(() => machine.resume())
    } finally {
      await machine.close()
    }
    t.notThrows(() => machine.resume())
  },
)

kvmTestSerial('a machine of three busy vCPUs goes on in another one, from where it was', async (t) => {
  const { state, bytes, steps: before } = await saved(t)
  const { machine, output, steps, moved, memory } = await bootStorm({
    restore: { state },
    onRam: ({ memory }) => memory.bytes(0, MEMORY).set(bytes),
  })
  try {
    t.deepEqual(steps(), before)
    machine.start()
    await moved(before)
    t.true(steps().every((step, id) => step > before[id]!))
    t.is(output(), '', 'it did not boot again')
    const generation = (of: Uint8Array) => Buffer.from(of).toString('hex')
    const first = bytes.subarray(GENERATION_ID_GPA, GENERATION_ID_GPA + GENERATION_SIZE)
    t.notRegex(generation(first), /^0+$/)
    t.not(generation(memory().bytes(GENERATION_ID_GPA, GENERATION_SIZE)), generation(first))
    await machine.pause()
    machine.resume()
    await moved(steps())
  } finally {
    await machine.close()
  }
})

kvmTestSerial('the state of a machine made otherwise is refused, and nothing of it stays behind', async (t) => {
  const { state } = await saved(t)
  const cases: [GuestOptions, Json, RegExp][] = [
    [{ devices: [] }, state, /virtio devices/],
    [{ cpus: 2 }, state, /2 processors.* for 3/],
    [{ pit: false }, state, /interval timer/],
    [{}, { ...state, schema: 'cloister-machine-state/0' }, /version/],
    [{}, { ...state, policy: {} }, /policy/],
    [{}, { ...state, ports: {} }, /ports/],
    [{}, null, /machine/],
  ]
  const fds = openFds()
  for (const [options, damaged, message] of cases) {
    await t.throwsAsync(bootStorm({ ...options, restore: { state: damaged } }), { instanceOf: HostError, message })
  }
  t.is(openFds(), fds)
})

kvmTestSerial('the devices of a restored machine stand still until it starts', async (t) => {
  const { state } = await saved(t)
  const [device] = state.devices as readonly JsonObject[]
  const queue = { size: 8, descriptors: '0xa00000', available: '0xa01000', used: '0xa02000', ready: true }
  const counters = { nextAvailable: 0, nextUsed: 0, publishedUsed: 0, inFlight: [] }
  const atWork = { ...device, status: 0xf, driverFeatures: '0x100000000', queues: [{ ...queue, ...counters }] }
  const rng = virtioRng({ fill: (bytes) => bytes.fill(0) })
  let calls = 0
  let called = () => {}
  const served = new Promise<void>((resolve) => {
    called = resolve
  })
  rng.onAvailable = () => {
    calls++
    called()
  }
  const { machine } = await bootStorm({ devices: [rng], restore: { state: { ...state, devices: [atWork] } } })
  try {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    t.is(calls, 0)
    machine.start()
    await served
    t.is(calls, 1)
  } finally {
    await machine.close()
  }
})

kvmTestSerial('a policy for another number of processors is refused', async (t) => {
  const { machine } = await bootStorm()
  const { policy } = machine
  await machine.close()
  const fds = openFds()
  await t.throwsAsync(bootStorm({ cpus: 2, policy }), { instanceOf: HostError, message: /for 3 processors/ })
  t.is(openFds(), fds)
})
