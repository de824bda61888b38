/**
 * A process that goes on from a snapshot many times, or dies while it takes one; prints one line of JSON:
 * `snapshot-process.js restores DIRECTORY COUNT`, `clones DIRECTORY COUNT`, `die DIRECTORY`. A process of its own, because
 * the size of libuv's pool is settled by the environment, and because it counts what it holds.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { bootStorm, restoreStorm } from './storm.ts'

const [what, directory, count] = process.argv.slice(2) as [string, string, string]

const held = () => ({
  fds: readdirSync('/proc/self/fd').length,
  mappings: readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => /cloister|kvm|snapshot/.test(line)).length,
  files: readdirSync(directory).length,
})

/** One after the other: what is held after the first, and after the last. */
async function restores(): Promise<object> {
  const once = async () => {
    const snapshot = await openSnapshot(directory)
    const { machine, moved } = await restoreStorm(snapshot)
    snapshot.close()
    machine.start()
    await moved()
    await machine.close()
  }
  await once()
  const first = held()
  for (let round = 1; round < Number(count); round++) await once()
  return { first, last: held() }
}

/** All at once: every one moves, each by itself. */
async function clones(): Promise<object> {
  const snapshot = await openSnapshot(directory)
  const storms = await Promise.all(Array.from({ length: Number(count) }, () => restoreStorm(snapshot)))
  snapshot.close()
  const from = storms.map(({ steps }) => steps()[0]!)
  for (const { machine } of storms) machine.start()
  await Promise.all(storms.map(({ moved }, index) => moved([from[index]!])))
  await Promise.all(storms.map(({ machine }) => machine.pause()))
  const steps = storms.map((storm) => storm.steps()[0]!)
  await Promise.all(storms.map(({ machine }) => machine.close()))
  return { same: new Set(from).size, different: new Set(steps).size, held: held() }
}

/** In the middle of the memory. */
async function die(): Promise<object> {
  const { machine, moved, take, ram } = await bootStorm()
  machine.start()
  await moved()
  ram.memory.bytes(0x80_0000, 0x40_0000).fill(7)
  let steps = 0
  const signal = {
    get aborted() {
      if (++steps === 3) process.kill(process.pid, 'SIGKILL')
      return false
    },
  }
  await take(directory, { signal: signal as AbortSignal })
  return { steps }
}

const work = { restores, clones, die }[what]!
process.stdout.write(`${JSON.stringify(await work())}\n`)
