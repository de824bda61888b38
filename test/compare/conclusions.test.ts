/** What is concluded from samples, apart from how they were taken. */
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { keptLimits, leftGroups } from '../../src/compare/attacker.ts'
import { COMPARED, differentInside } from '../../src/compare/compared.ts'
import type { MemoryPoint } from '../../src/compare/comparison.ts'
import { densityOfLevel } from '../../src/compare/memory.ts'
import { ratesOf } from '../../src/compare/neighbours.ts'
import { type Run, spansOf } from '../../src/compare/run-once.ts'
import { countCalls } from '../../src/compare/strace.ts'
import { hasEnough } from '../../src/compare/time.ts'
import { containerTest } from '../helpers/containers.ts'

test('the spans from the request to the end follow each other without a gap and add up to the whole', (t) => {
  const six = fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 5, maxLength: 5 })
  fc.assert(
    fc.property(six, (values) => {
      const [ready, entered, program, exit, gone] = values.sort((a, b) => a - b)
      const spans = spansOf({ ready: ready!, entered: entered!, program: program!, exit: exit!, gone: gone! })
      const parts = [
        spans.requestToReady,
        spans.readyToEntered,
        spans.enteredToProgram,
        spans.programToExit,
        spans.exitToGone,
      ]
      t.true(Math.abs(parts.reduce<number>((sum, part) => sum + part!, 0) - spans.whole!) < 1e-6)
    }),
  )
})

test('a span with an end that was not seen is absent, not zero', (t) => {
  t.deepEqual(spansOf({ ready: 5, gone: 9 }), { requestToReady: 5, whole: 9 })
})

const point = (instances: number, hostBytes: number, proportionalBytes: number): MemoryPoint => ({
  instances,
  privateBytes: 0,
  proportionalBytes,
  hostBytes,
  processes: instances,
})

test('what fits is the room by what one more takes, as the host sees it', (t) => {
  const points = [1, 2, 4, 8].map((n) => point(n, 1000 + 20 * n, 10 * n))
  const density = densityOfLevel({ points, stoppedBy: 'slope' }, 2000)
  t.like(density, { measured: 8, stoppedBy: 'slope', basis: 'host', fits: 100, fitsLow: 100, fitsHigh: 100 })
})

test('on a restless host the sum over the processes says what one more takes', (t) => {
  const noise = [900, -700, 300, -800]
  const points = [1, 2, 4, 8].map((n, index) => point(n, 20 * n + noise[index]!, 10 * n))
  t.like(densityOfLevel({ points, stoppedBy: 'time' }, 2000), { basis: 'proportional', fits: 200 })
})

test('the less sure the slope, the further apart the least and the most that may fit', (t) => {
  const points = [1, 2, 4, 8].map((n, index) => point(n, 20 * n + (index % 2) * 8, 10 * n * (1 + (index % 2))))
  const { fitsLow, fits, fitsHigh } = densityOfLevel({ points, stoppedBy: 'time' }, 100_000)
  t.true(fitsLow < fits && fits < fitsHigh)
})

test('with two points, whose error nobody knows, what fits is told by the processes, which the host around does not move', (t) => {
  const points = [point(1, 500, 10), point(2, 100, 20)]
  t.like(densityOfLevel({ points, stoppedBy: 'memory' }, 2000), { basis: 'proportional', fits: 200 })
})

test('no room is room for none', (t) => {
  const points = [1, 2, 4].map((n) => point(n, 20 * n, 10 * n))
  t.is(densityOfLevel({ points, stoppedBy: 'memory' }, -5).fits, 0)
})

test('a report belongs to the phase in which its whole interval lies', (t) => {
  const samples = [100, 200, 300, 400, 500, 600, 700].map((atMs, index) => ({ atMs, rate: index }))
  // 300 to 400 spans the beginning of the attack at 350, 500 to 600 its end at 550: neither counts.
  t.deepEqual(ratesOf(samples, 350, 550), { before: 1, during: 4, after: 6 })
})

test('a phase without a report has no rate', (t) => {
  t.deepEqual(ratesOf([{ atMs: 10, rate: 5 }], 100, 200), { before: null, during: null, after: null })
})

test('a system call counts where it begins, whether it ends or not, and fails where it ends', (t) => {
  const trace = `21 ioctl(5, KVM_RUN, 0 <unfinished ...>
22 read(3, ""..., 16) = 8
22 read(3,  <unfinished ...>
21 getpid()              = 21
22 <... read resumed>0x7ffe, 16)    = -1 EAGAIN (Resource temporarily unavailable)
21 exit_group(0)         = ?
`
  t.deepEqual(countCalls(trace), [
    { name: 'read', count: 2, errors: 1 },
    { name: 'ioctl', count: 1, errors: 0 },
    { name: 'getpid', count: 1, errors: 0 },
    { name: 'exit_group', count: 1, errors: 0 },
  ])
  t.deepEqual(countCalls(''), [])
})

test('an attacker with more processes or memory than its limits let it have was not contained', (t) => {
  const memory = 128 * 2 ** 20
  t.true(keptLimits({ processes: 517, proportionalBytes: memory }, memory))
  t.false(keptLimits({ processes: 2000, proportionalBytes: 0 }, memory))
  t.false(keptLimits({ processes: 5, proportionalBytes: 3 * memory }, memory))
})

containerTest('a control group that an attacker leaves is seen', (t) => {
  const name = `compare-left-${process.pid}`
  const mount = / (\S+) cgroup2? /.exec(readFileSync('/proc/mounts', 'utf8'))![1]!
  const group = `${mount}/cloister-${name}-12345678`
  t.deepEqual(leftGroups(name), [])
  mkdirSync(group)
  t.teardown(() => rmdirSync(group))
  t.deepEqual(leftGroups(name), [group])
  return Promise.resolve()
})

test('a level leaves the turns with three runs or more that have taken long enough', (t) => {
  const runs = (count: number, whole: number) => Array.from({ length: count }, () => ({ spansMs: { whole } }) as Run)
  t.false(hasEnough([]))
  t.false(hasEnough(runs(2, 60_000)))
  t.true(hasEnough(runs(3, 6000)))
  t.false(hasEnough(runs(90, 100)))
  t.true(hasEnough(runs(100, 100)))
})

test('inside, a microVM is the same however it was started: it is measured there once', (t) => {
  t.deepEqual(differentInside(COMPARED), ['container', 'unikernel', 'microvm'])
  t.deepEqual(differentInside(['microvm-cold']), ['microvm-cold'])
})
