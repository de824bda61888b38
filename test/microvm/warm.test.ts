import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { warmStart } from '../../src/microvm/warm.ts'
import { SNAPSHOT_SCHEMA } from '../../src/snapshot/manifest.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const KEY = 'a'.repeat(40)

function start(t: ExecutionContext) {
  const root = temporaryDirectory(t)
  const logged: string[] = []
  return { root, logged, way: warmStart(KEY, (line) => logged.push(line), root) }
}

test('where there is no snapshot, none is found, and nothing is said of it', async (t) => {
  const { way, logged, root } = start(t)
  t.is(await way.find(), undefined)
  t.deepEqual(logged, [])
  t.deepEqual(readdirSync(root), [])
})

test('a damaged snapshot is thrown away with a line on the log, and none is found', async (t) => {
  const { way, logged, root } = start(t)
  mkdirSync(join(root, KEY))
  writeFileSync(join(root, KEY, 'snapshot.json'), JSON.stringify({ schema: SNAPSHOT_SCHEMA }))
  writeFileSync(join(root, KEY, 'snapshot.sha256'), '')
  t.is(await way.find(), undefined)
  t.is(logged.length, 1)
  t.regex(logged[0]!, /^the guest boots anew: Cannot use .*: its createdAt is not what it should be/)
  t.false(existsSync(join(root, KEY)))
})

test('what is thrown away twice, or was never there, is no fault', (t) => {
  const { way, logged } = start(t)
  way.discard('it did not answer')
  way.discard('it did not answer')
  t.deepEqual(logged, ['the guest boots anew: it did not answer', 'the guest boots anew: it did not answer'])
})

test('what is wanted for the first time may never be wanted again; the second time it is', (t) => {
  const { way, root } = start(t)
  t.false(way.seenBefore())
  t.true(way.seenBefore())
  t.true(warmStart(KEY, () => {}, root).seenBefore())
  t.false(warmStart('b'.repeat(40), () => {}, root).seenBefore())
})

test('a place that cannot be written is no fault', (t) => {
  t.false(warmStart(KEY, () => {}, '/proc/nowhere').seenBefore())
})

test('a guest that is late once is no reason to throw its snapshot away: the host may have been busy', (t) => {
  const { way, logged, root } = start(t)
  mkdirSync(join(root, KEY))
  const mark = join(root, `${KEY}.late`)
  way.late('it said nothing')
  way.late('it said nothing')
  t.true(existsSync(join(root, KEY)))
  t.deepEqual(logged, ['the guest boots: it said nothing', 'the guest boots: it said nothing'])
  // One that answered in between was proof.
  way.inTime()
  t.false(existsSync(mark))
  way.late('it said nothing')
  utimesSync(mark, 1, 1)
  way.late('it said nothing')
  t.false(existsSync(join(root, KEY)))
  t.false(existsSync(mark))
  t.is(logged.at(-1), 'the guest boots anew: it said nothing')
})
