import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { EventJournal, type InstanceEvent } from '../../src/instance/events.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const MODULE = new URL('../../src/instance/events.js', import.meta.url).href

/** Processes that each write so many events, one after the other, as fast as they can. */
async function writers(root: string, count: number, each: number): Promise<void> {
  const script = `
    import { EventJournal } from ${JSON.stringify(MODULE)}
    const [root, name] = process.argv.slice(1)
    const journal = new EventJournal(root)
    process.stdout.write('ready')
    await new Promise((resolve) => process.stdin.once('data', resolve))
    process.stdin.destroy()
    for (let at = 0; at < ${each}; at++) journal.record('signal', name, { signal: at })`
  const started = Array.from({ length: count }, (_, at) =>
    spawn(process.execPath, ['--input-type=module', '-e', script, root, `writer${at}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  await Promise.all(started.map(({ stdout }) => once(stdout, 'data')))
  // All at once: the moment that matters is the first write, when each sees that the file is full.
  for (const { stdin } of started) stdin.end('go')
  for (const [code] of await Promise.all(started.map((child) => once(child, 'exit')))) {
    if (code !== 0) throw new Error(`a writer ended with ${code}`)
  }
}

const signalsOf = (events: readonly InstanceEvent[], writer: string): number[] =>
  events.filter(({ instance }) => instance === writer).map(({ signal }) => signal!)

test('events of several processes at once are all kept, whole and in the order of each', async (t) => {
  const root = temporaryDirectory(t)
  await writers(root, 4, 300)
  const events = new EventJournal(root).read()
  const expected = Array.from({ length: 300 }, (_, at) => at)
  for (const at of [0, 1, 2, 3]) t.deepEqual(signalsOf(events, `writer${at}`), expected)
})

test('when the file is full it becomes the one before, whoever else writes at that moment', async (t) => {
  const root = temporaryDirectory(t)
  const journal = new EventJournal(root)
  journal.record('create', 'first')
  // Lines of no event, so that all of them meet the limit at once.
  for (let line = 0; line < 1024; line++) appendFileSync(join(root, 'events.jsonl'), `${' '.repeat(1023)}\n`)
  await writers(root, 4, 200)
  t.true(statSync(join(root, 'events.1.jsonl')).size > 2 ** 20)
  const events = journal.read()
  t.is(events[0]?.instance, 'first')
  for (const at of [0, 1, 2, 3]) t.deepEqual(signalsOf(events, `writer${at}`).length, 200)
})

test('the two files stay below two limits and a line', (t) => {
  const root = temporaryDirectory(t)
  const journal = new EventJournal(root)
  for (let round = 0; round < 3; round++) {
    writeFileSync(join(root, 'events.jsonl'), `${'x'.repeat(2 ** 20)}\n`)
    journal.record('create', `web${round}`)
  }
  t.deepEqual(
    journal.read().map(({ instance }) => instance),
    ['web2'],
  )
})

test('a torn line and lines of no event are passed over', (t) => {
  const root = temporaryDirectory(t)
  const journal = new EventJournal(root)
  journal.record('create', 'web', { isolation: 'unikernel' })
  appendFileSync(
    join(root, 'events.jsonl'),
    'null\n7\n{}\n{"time":"2026-11-22T08:00:00Z","instance":"web"}\n{"time":"2026-11-22T08:00:00Z","type":"exi',
  )
  t.like(journal.read(), [{ type: 'create', instance: 'web', isolation: 'unikernel' }])
  t.is(journal.read().length, 1)
})

test('a journal that cannot be written is no error', (t) => {
  const journal = new EventJournal(join(temporaryDirectory(t), 'nowhere'))
  t.notThrows(() => journal.record('exit', 'web', { exitCode: 0 }))
  t.deepEqual(journal.read(), [])
  t.false(existsSync('nowhere'))
})
