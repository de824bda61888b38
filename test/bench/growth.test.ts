import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type Contender, ContenderRefused } from '../../src/bench/contender.ts'
import { values } from '../../src/bench/density.ts'
import { grow } from '../../src/bench/growth.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const MIB = 2 ** 20
const never = new AbortController().signal
const caps = { instances: 3, memoryBytes: MIB, reserveBytes: 0, abort: never, progress: () => {} }

/** A contender made of a line of shell, which gets the number of its instance as $1 and a directory as $2. */
function scripted(t: ExecutionContext, script: string): Contender & { readonly directory: string } {
  const directory = temporaryDirectory(t)
  return {
    name: 'scripted',
    kind: 'peer',
    what: script,
    success: 0,
    runsProbe: true,
    directory,
    prepare: () => {
      let number = 0
      return () => ({ file: '/bin/sh', args: ['-c', script, 'sh', String(++number), directory] })
    },
  }
}

const RESTS = 'echo $$ >"$2/pid$1"; echo ready; cat'

function pids(directory: string, count: number): number[] {
  return Array.from({ length: count }, (_, at) => join(directory, `pid${at + 1}`))
    .filter((file) => existsSync(file))
    .map((file) => Number(readFileSync(file, 'utf8')))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('instances are added one by one up to the number asked for, measured, and all of them ended', async (t) => {
  const contender = scripted(t, RESTS)
  const { points, stoppedBy } = await grow(contender, caps)
  t.is(stoppedBy, 'instances')
  t.deepEqual(
    points.map(({ instances }) => instances),
    [1, 2, 3],
  )
  for (const { startMs, privateBytes, proportionalBytes } of points) {
    t.true(startMs > 0 && privateBytes! > 0 && proportionalBytes! >= privateBytes!)
  }
  t.true(points[2]!.privateBytes! > points[0]!.privateBytes!)
  t.deepEqual(pids(contender.directory, 3).filter(isAlive), [])
})

test('the host keeps its reserve: with none to spare, not one is started', async (t) => {
  const contender = scripted(t, RESTS)
  await t.throwsAsync(grow(contender, { ...caps, reserveBytes: Number.MAX_SAFE_INTEGER }), {
    instanceOf: ContenderRefused,
    message: /reserve/,
  })
  t.deepEqual(pids(contender.directory, 3), [])
})

test('one that fails ends the series with what it said, and the others are ended', async (t) => {
  const contender = scripted(t, `if [ "$1" = 3 ]; then echo no room >&2; exit 1; fi; ${RESTS}`)
  const { points, stoppedBy, reason } = await grow(contender, caps)
  t.is(points.length, 2)
  t.is(stoppedBy, 'failure')
  t.regex(reason!, /ended early: no room/)
  t.not(points.at(-1)!.privateBytes, undefined)
  t.deepEqual(pids(contender.directory, 3).filter(isAlive), [])
})

test('a contender whose first instance fails is refused with what it said', async (t) => {
  await t.throwsAsync(grow(scripted(t, 'echo not here >&2; exit 1'), caps), {
    instanceOf: ContenderRefused,
    message: /not here/,
  })
})

test('an interrupt ends all that were started before it is reported', async (t) => {
  const contender = scripted(t, RESTS)
  const controller = new AbortController()
  const growing = grow(contender, { ...caps, instances: 100, abort: controller.signal })
  while (pids(contender.directory, 2).length < 2) await sleep(5)
  controller.abort(new Error('enough'))
  await t.throwsAsync(growing)
  t.deepEqual(pids(contender.directory, 100).filter(isAlive), [])
})

test('what one more costs is the slope, and starts are told apart as the first and the last quarter', (t) => {
  const points = Array.from({ length: 8 }, (_, at) => ({
    instances: at + 1,
    startMs: 10 + at,
    availableBytes: 1000 * MIB - (at + 1) * 5 * MIB,
    ...(at < 4 || at === 7
      ? { privateBytes: 20 * MIB + (at + 1) * 3 * MIB, proportionalBytes: (at + 1) * 4 * MIB }
      : {}),
  }))
  const { 'start-first': first, 'start-last': last, ...slopes } = values(points)
  t.is(first, 10)
  t.is(last, 16)
  const rounded = Object.fromEntries(Object.entries(slopes).map(([id, bytes]) => [id, Math.round(bytes / MIB)]))
  t.deepEqual(rounded, { 'private-further': 3, 'proportional-further': 4, 'host-further': 5 })
})

test('a single instance has no slope', (t) => {
  const point = { instances: 1, startMs: 5, availableBytes: 1, privateBytes: 1, proportionalBytes: 1 }
  t.deepEqual(values([point]), { 'start-first': 5, 'start-last': 5 })
})
