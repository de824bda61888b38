import test from 'ava'
import { UsageError } from '../../src/errors.ts'
import { hold } from '../../src/holder/held.ts'
import type { ExitResult, Instance } from '../../src/instance/instance.ts'
import { type FakeInstance, fakeClaim, fakeInstance } from '../helpers/fake-instance.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A promise that the test resolves. */
function gate() {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

function held(changes: Partial<Instance> = {}) {
  const told: string[] = []
  const instance: FakeInstance = fakeInstance({
    pause: async () => void told.push('pause'),
    resume: async () => void told.push('resume'),
    ...changes,
  })
  const claim = fakeClaim()
  const it = hold(instance, claim)
  const { answer } = it.operations
  /** What the holder does when it ends. */
  void instance.wait().then((result) => it.finish(result))
  return { instance, claim, told, answer, ...it }
}

const KILL = { verb: 'kill', removed: false } as const
const SIGKILLED: ExitResult = { exitCode: 137 }

test('pause and resume are written down and noted; done twice they are refused', async (t) => {
  const { answer, claim, told } = held()
  await answer({ verb: 'pause' })
  await t.throwsAsync(answer({ verb: 'pause' }), { instanceOf: UsageError, message: /it is paused already/ })
  await answer({ verb: 'resume' })
  await t.throwsAsync(answer({ verb: 'resume' }), { instanceOf: UsageError, message: /it is not paused/ })
  t.deepEqual(claim.notes, ['paused', 'pause', 'running', 'resume'])
  t.deepEqual(told, ['pause', 'resume'])
})

test('of two who pause at once one is refused, and the instance hears it once', async (t) => {
  const { answer, told, claim } = held()
  const outcomes = await Promise.allSettled([answer({ verb: 'pause' }), answer({ verb: 'pause' })])
  t.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.deepEqual(told, ['pause'])
  t.deepEqual(claim.notes, ['paused', 'pause'])
})

test('a resume that comes while it is being paused waits for that', async (t) => {
  const standing = gate()
  const { answer, claim } = held({ pause: () => standing.opened })
  const pausing = answer({ verb: 'pause' })
  const resuming = answer({ verb: 'resume' })
  await turn()
  standing.open()
  await pausing
  await resuming
  t.is(claim.notes.at(-1), 'resume')
})

test('a pause that fails leaves it running, and the next one may succeed', async (t) => {
  let failing = true
  const { answer, claim } = held({
    pause: async () => {
      if (failing) throw new UsageError('Cannot pause.')
    },
  })
  await t.throwsAsync(answer({ verb: 'pause' }), { message: 'Cannot pause.' })
  t.deepEqual(claim.notes, [])
  failing = false
  await answer({ verb: 'pause' })
  t.deepEqual(claim.notes, ['paused', 'pause'])
})

test('kill ends it, paused or not, and is answered when its end is on record', async (t) => {
  for (const paused of [false, true]) {
    const { answer, claim } = held()
    if (paused) await answer({ verb: 'pause' })
    t.deepEqual(await answer(KILL), { result: SIGKILLED })
    t.deepEqual(claim.finished, [SIGKILLED])
    t.is(claim.notes.at(-1), 'signal')
  }
})

test('one that ends while it is being paused is not on record as paused', async (t) => {
  const standing = gate()
  const { answer, claim, instance } = held({ pause: () => standing.opened })
  const pausing = answer({ verb: 'pause' })
  await turn()
  instance.end({ exitCode: 0 })
  await turn()
  standing.open()
  await t.throwsAsync(pausing, { message: /it has just ended/ })
  t.deepEqual(claim.finished, [{ exitCode: 0 }])
  t.false(claim.notes.includes('paused'))
})

test('stop asks with SIGTERM and is answered by how it ended', async (t) => {
  const { answer, instance } = held()
  const stopping = answer({ verb: 'stop', graceMs: 60_000 })
  await turn()
  t.deepEqual(instance.signals, [15])
  instance.end({ exitCode: 143 })
  t.deepEqual(await stopping, { result: { exitCode: 143 } })
})

test('stop ends one that does not listen', async (t) => {
  // The timer of an instance that is held keeps no process alive; this does.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  const { answer } = held()
  t.deepEqual(await answer({ verb: 'stop', graceMs: 5 }), { result: SIGKILLED })
})

test('a paused one goes on to hear that it is to stop, also when it is only being paused', async (t) => {
  for (const wait of [true, false]) {
    const { answer, instance, told } = held()
    const pausing = answer({ verb: 'pause' })
    if (wait) await pausing
    const stopping = answer({ verb: 'stop', graceMs: 60_000 })
    await turn()
    await pausing
    await turn()
    t.deepEqual(told, ['pause', 'resume'])
    t.deepEqual(instance.signals, [15])
    instance.end({ exitCode: 143 })
    await stopping
  }
})

test('all who wait hear how it ended, also those who come later', async (t) => {
  const { answer, instance } = held()
  const waiting = [answer({ verb: 'wait' }), answer({ verb: 'wait' })]
  instance.end({ exitCode: 3, report: 'why' })
  for (const one of [...waiting, answer({ verb: 'wait' }), answer(KILL)]) {
    t.deepEqual(await one, { result: { exitCode: 3, report: 'why' } })
  }
})

test('its end is put on record once, as it was first told', async (t) => {
  const { finish, claim, answer } = held()
  t.deepEqual(finish({ exitCode: 1 }), { exitCode: 1 })
  t.deepEqual(finish({ exitCode: 2 }), { exitCode: 1 })
  await answer({ verb: 'wait' })
  t.deepEqual(claim.finished, [{ exitCode: 1 }])
})

test('of one that has ended nothing more is noted', async (t) => {
  const { instance, answer, claim } = held()
  instance.end({ exitCode: 0 })
  await answer({ verb: 'wait' })
  for (const request of [{ verb: 'pause' }, { verb: 'signal', signo: 1 }] as const) {
    await t.throwsAsync(answer(request), { instanceOf: UsageError, message: /it has just ended/ })
  }
  await answer(KILL)
  await answer({ verb: 'stop', graceMs: 5 })
  t.deepEqual(claim.notes, [])
  t.deepEqual(instance.signals, [])
})

test('whoever waits for one that is removed hears that, even if it ends by itself meanwhile', async (t) => {
  const { answer, instance, claim } = held({ kill: () => {} })
  const waiting = answer({ verb: 'wait' })
  const removing = answer({ verb: 'kill', removed: true })
  instance.end({ exitCode: 0 })
  for (const one of [waiting, removing]) {
    const { result } = (await one) as { result: ExitResult }
    t.is(result.exitCode, 137)
    t.regex(result.report ?? '', /removed by another command/)
  }
  t.is(claim.finished.length, 1)
})

test('one in the foreground cannot be attached to', async (t) => {
  const { operations } = held()
  await t.throwsAsync(operations.stream({ verb: 'attach', input: true }), { message: /foreground of another command/ })
})

test("a record that cannot be written keeps nobody waiting, and the status is still the program's", async (t) => {
  const instance = fakeInstance()
  const claim = fakeClaim()
  const it = hold(instance, {
    ...claim,
    finish() {
      throw new Error('ENOSPC')
    },
  })
  const waiting = it.operations.answer({ verb: 'wait' })
  const told = it.finish({ exitCode: 4 })
  t.is(told.exitCode, 4)
  t.is(told.report, 'Cannot write down how "web" ended: ENOSPC.')
  t.deepEqual(await waiting, { result: told })
})

test('an update of memory reaches the instance and is noted; what is refused is not, and after the end all is', async (t) => {
  const asked: number[] = []
  const { answer, claim } = held({
    setMemory: async (bytes) => {
      if (bytes === 1) throw new UsageError('Cannot.')
      asked.push(bytes)
    },
  })
  t.deepEqual(await answer({ verb: 'update', memoryBytes: 5000 }), {})
  await t.throwsAsync(answer({ verb: 'update', memoryBytes: 1 }), { message: 'Cannot.' })
  await answer(KILL)
  await t.throwsAsync(answer({ verb: 'update', memoryBytes: 6000 }), { message: /it has just ended/ })
  t.deepEqual(asked, [5000])
  t.deepEqual(
    claim.notes.filter((note) => note === 'update'),
    ['update'],
  )
})

const FACTS = { pausedMs: 1, bytes: 4096 }
const SNAPSHOT = { verb: 'snapshot', directory: '/nowhere/ready' } as const

test('a snapshot is taken into the directory that is named, and noted', async (t) => {
  const orders: unknown[] = []
  const { answer, claim } = held({
    snapshot: async (order) => {
      orders.push(order)
      return FACTS
    },
  })
  t.deepEqual(await answer(SNAPSHOT), { snapshot: FACTS })
  t.deepEqual(await answer({ ...SNAPSHOT, base: '/nowhere/before' }), { snapshot: FACTS })
  t.deepEqual(orders, [{ directory: '/nowhere/ready' }, { directory: '/nowhere/ready', base: '/nowhere/before' }])
  t.deepEqual(claim.notes, ['snapshot', 'snapshot'])
})

test('a pause that comes while it is being saved waits for that, and so does another snapshot', async (t) => {
  const { opened, open } = gate()
  let saving = 0
  const { answer, told } = held({
    snapshot: async () => {
      t.is(++saving, 1)
      await opened
      saving--
      return FACTS
    },
  })
  const all = Promise.all([answer(SNAPSHOT), answer(SNAPSHOT), answer({ verb: 'pause' })])
  await turn()
  t.deepEqual(told, [])
  open()
  await all
  t.deepEqual(told, ['pause'])
})

test('what has ended, or is of a level without snapshots, is not saved', async (t) => {
  const { answer } = held()
  await t.throwsAsync(answer(SNAPSHOT), { instanceOf: UsageError, message: /containers have none/ })
  await answer(KILL)
  await turn()
  await t.throwsAsync(answer(SNAPSHOT), { instanceOf: UsageError, message: /it has just ended/ })
})
