import test from 'ava'
import { runnerKind } from '../../src/machine/choose-runner.ts'
import { createVcpuGroup } from '../../src/machine/vcpu-group.ts'
import type { VcpuRunner } from '../../src/machine/vcpu-runner.ts'

/** A runner that comes to rest when the test says so. */
function slowRunner() {
  const calls: string[] = []
  let arrive = () => {}
  const later = () =>
    new Promise<void>((resolve) => {
      arrive = resolve
    })
  const runner: VcpuRunner = {
    start: () => void calls.push('start'),
    pause: () => {
      calls.push('pause')
      return later()
    },
    resume: () => void calls.push('resume'),
    stop: () => {
      calls.push('stop')
      return later()
    },
  }
  return { runner, calls, arrive: () => arrive() }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('a group is paused when the last vCPU stands still, not before', async (t) => {
  const [a, b] = [slowRunner(), slowRunner()]
  const group = createVcpuGroup([a.runner, b.runner])
  group.start()
  let paused = false
  const pausing = group.pause().then(() => {
    paused = true
  })
  a.arrive()
  await turn()
  t.false(paused)
  t.false(group.paused)
  b.arrive()
  await pausing
  t.true(group.paused)
})

test('a resume before all stand still lets none run: a pause is whole', async (t) => {
  const [a, b] = [slowRunner(), slowRunner()]
  const group = createVcpuGroup([a.runner, b.runner])
  group.start()
  const pausing = group.pause()
  a.arrive()
  await turn()
  group.resume()
  b.arrive()
  await pausing
  t.deepEqual(a.calls, ['start', 'pause'])
  group.resume()
  group.resume()
  t.deepEqual(a.calls, ['start', 'pause', 'resume'])
  t.deepEqual(b.calls, a.calls)
})

test('a group stops once, however often it is asked, and neither runs nor pauses after it', async (t) => {
  const [a, b] = [slowRunner(), slowRunner()]
  const group = createVcpuGroup([a.runner, b.runner])
  group.start()
  const stopping = Promise.all([group.stop(), group.stop()])
  a.arrive()
  b.arrive()
  await stopping
  group.resume()
  t.deepEqual(a.calls, ['start', 'stop'])
  t.false(group.paused)
})

test('a group that was stopped before it began never begins', async (t) => {
  const a = slowRunner()
  const group = createVcpuGroup([a.runner])
  const stopping = group.stop()
  a.arrive()
  await stopping
  group.start()
  t.deepEqual(a.calls, ['stop'])
})

test('one vCPU runs on the pool everywhere, several where changing threads is cheap', (t) => {
  for (const [kernel, several] of [
    ['6.1.0-56-amd64', 'worker'],
    ['6.12.9', 'worker'],
    ['5.15.0-generic', 'worker'],
    ['6.13.0-rc1', 'pool'],
    ['6.18.2+', 'pool'],
    ['7.0.1', 'pool'],
  ] as const) {
    t.is(runnerKind(1, kernel), 'pool', kernel)
    t.is(runnerKind(4, kernel), several, kernel)
  }
})
