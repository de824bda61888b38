/**
 * A process with VMs of several vCPUs, all at it in different ways (guest-kernel/tests/bare/smp-storm.S), which are
 * paused or stopped at random moments: `smp-process.js pool|worker pauses|stops <rounds> <seed>`. Prints one line of
 * JSON. A process of its own, because the size of libuv's pool is settled by the environment.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { bootGuest, type GuestOptions } from './guests.ts'

/** The first interrupts; then one that halts, one that loops, one that writes to a port, one that halts for ever, one not started. */
const CPUS = 6
const MOVING = 4

const [runner, what, rounds, seed] = process.argv.slice(2)
const random = randomNumbers(Number(seed))
const options = { runner: runner as 'pool' | 'worker', cpus: CPUS, acpi: true }

async function bootStorm(more: GuestOptions) {
  let steps: Uint32Array | undefined
  const module = {
    name: 'the counters',
    size: 4096,
    write: ({ buffer, byteOffset }: Uint8Array) => {
      steps = new Uint32Array(buffer, byteOffset, MOVING)
    },
  }
  const { machine } = await bootGuest('bare/smp-storm', { ...more, modules: [module] })
  return { machine, steps: () => [...steps!] }
}

/** Some while of the event loop, sometimes longer. */
async function aMoment(): Promise<void> {
  for (let turns = random(8); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
  if (random(4) === 0) await sleep(random(3))
}

/** Counts rounds in which somebody moved during a pause; waits until all have moved after it. */
async function pauses(): Promise<object> {
  const { machine, steps } = await bootStorm(options)
  machine.start()
  const allMoved = async (before: readonly number[]) => {
    while (steps().some((step, id) => step === before[id])) await sleep(1)
  }
  await allMoved([0, 0, 0, 0])
  let movedWhilePaused = 0
  for (let round = 0; round < Number(rounds); round++) {
    await aMoment()
    const others = random(3) === 0 ? [machine.pause(), machine.pause()] : []
    await machine.pause()
    const before = steps()
    await aMoment()
    if (String(steps()) !== String(before)) movedWhilePaused++
    await Promise.all(others)
    machine.resume()
    if (round % 50 === 0) await allMoved(before)
  }
  machine.stop()
  const { kind } = await machine.ended
  await machine.close()
  return { movedWhilePaused, kind }
}

/** Machine after machine, each ended at another moment, in the middle of a pause or a resume as may be. */
async function stops(): Promise<object> {
  const ends = new Set<string>()
  for (let round = 0; round < Number(rounds); round++) {
    const { machine } = await bootStorm(options)
    machine.start()
    await sleep(random(40))
    const asked: Promise<void>[] = []
    for (let moves = random(4); moves > 0; moves--) {
      if (random(2) === 0) asked.push(machine.pause())
      else machine.resume()
      await aMoment()
    }
    if (random(2) === 0) machine.stop()
    await machine.close()
    await Promise.all(asked)
    ends.add((await machine.ended).kind)
  }
  return { ends: [...ends] }
}

/** mulberry32: a round can be had again by its seed. */
function randomNumbers(start: number): (below: number) => number {
  let state = start
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

process.stdout.write(`${JSON.stringify(await (what === 'pauses' ? pauses() : stops()))}\n`)
