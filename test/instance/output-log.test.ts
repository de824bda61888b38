import { appendFileSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { lastLines } from '../../src/cli/commands/logs.ts'
import {
  OutputLog,
  OutputReader,
  type OutputRecord,
  type OutputStream,
  outputBytes,
} from '../../src/instance/output-log.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const PLENTY = 2 ** 20
const STREAMS = ['stdout', 'stderr'] as const

/** A log of its own below the directory, so that many cases need no teardown each. */
let logs = 0
function logIn(directory: string, maxBytes = PLENTY): { log: OutputLog; place: string } {
  const place = join(directory, String(logs++))
  mkdirSync(place)
  return { log: new OutputLog(place, maxBytes), place }
}

const joined = (records: readonly OutputRecord[], of: OutputStream): string =>
  Buffer.concat(records.filter(({ stream }) => stream === of).map(outputBytes)).toString('latin1')

function readAll(place: string): OutputRecord[] {
  const reader = new OutputReader(place)
  const records = [...reader.records()]
  reader.close()
  return records
}

const sizeOf = (place: string): number =>
  readdirSync(place).reduce((sum, file) => sum + statSync(join(place, file)).size, 0)

/** Bytes of anything, and of text whose characters are cut anywhere. */
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => Buffer.from(text)),
)
const chunks = fc.array(fc.tuple(fc.constantFrom(...STREAMS), bytes, fc.nat()), { maxLength: 20 }).map((all) =>
  all.flatMap(([stream, whole, at]) => {
    const cut = at % (whole.length + 1)
    return [whole.subarray(0, cut), whole.subarray(cut)].map((part): [OutputStream, Uint8Array] => [stream, part])
  }),
)

const written = (all: readonly [OutputStream, Uint8Array][], of: OutputStream): string =>
  Buffer.concat(all.filter(([stream]) => stream === of).map(([, part]) => part)).toString('latin1')

test('any bytes in any slices come back in their order, stream by stream', (t) => {
  const directory = temporaryDirectory(t)
  fc.assert(
    fc.property(chunks, (all) => {
      const { log, place } = logIn(directory)
      for (const [stream, part] of all) log.append(stream, part)
      log.close()
      for (const stream of STREAMS) t.is(joined(readAll(place), stream), written(all, stream))
    }),
  )
})

test('text stays text although its characters come in pieces', (t) => {
  const { log, place } = logIn(temporaryDirectory(t))
  for (const byte of Buffer.from('grün 🌲')) log.append('stdout', Buffer.of(byte))
  log.close()
  t.deepEqual(
    readAll(place)
      .map(({ text }) => text)
      .join(''),
    'grün 🌲',
  )
})

test('a character that is never finished is written by flush, once', (t) => {
  const { log, place } = logIn(temporaryDirectory(t))
  log.append('stderr', Buffer.from('🌲').subarray(0, 3))
  t.deepEqual(readAll(place), [])
  log.flush()
  log.close()
  t.is(joined(readAll(place), 'stderr'), Buffer.from('🌲').subarray(0, 3).toString('latin1'))
})

test('one who follows from the start reads every byte once, whenever the log begins a new file', (t) => {
  const directory = temporaryDirectory(t)
  fc.assert(
    fc.property(chunks, fc.integer({ min: 200, max: 2000 }), (all, limit) => {
      const { log, place } = logIn(directory, limit)
      const reader = new OutputReader(place)
      const seen: OutputRecord[] = []
      for (const [stream, part] of all) {
        log.append(stream, part)
        seen.push(...reader.records())
      }
      log.close()
      seen.push(...reader.records())
      reader.close()
      for (const stream of STREAMS) t.is(joined(seen, stream), written(all, stream))
    }),
  )
})

test('one who looks now and then misses nothing that is still kept', (t) => {
  const directory = temporaryDirectory(t)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 20 }), (bursts) => {
      const { log, place } = logIn(directory, 1000)
      const reader = new OutputReader(place)
      const seen: number[] = []
      let next = 0
      for (const burst of bursts) {
        for (let i = 0; i < burst; i++) log.append('stdout', Buffer.from(`${next++}\n`))
        const kept = readAll(place).map((record) => Number(outputBytes(record)))
        const added = [...reader.records()].map((record) => Number(outputBytes(record)))
        const missing = kept.filter((number) => number > (seen.at(-1) ?? -1))
        // It may know more: a file that it holds open is kept for it.
        t.deepEqual(added.slice(added.length - missing.length), missing)
        seen.push(...added)
      }
      t.deepEqual(
        seen,
        [...new Set(seen)].sort((a, b) => a - b),
      )
      reader.close()
      log.close()
    }),
  )
})

test('the files together stay below the limit, or hold a record each; what is kept is the end of it all', (t) => {
  const directory = temporaryDirectory(t)
  fc.assert(
    fc.property(chunks, fc.integer({ min: 0, max: 2000 }), (all, limit) => {
      const { log, place } = logIn(directory, limit)
      for (const [stream, part] of all) {
        log.append(stream, part)
        const records = readAll(place)
        if (records.length > 2) t.true(sizeOf(place) <= limit, `${sizeOf(place)} > ${limit}`)
      }
      log.close()
      for (const stream of STREAMS) t.true(written(all, stream).endsWith(joined(readAll(place), stream)))
    }),
  )
})

test('half a line at the end, of a writer that died, is left out', (t) => {
  const { log, place } = logIn(temporaryDirectory(t))
  log.append('stdout', Buffer.from('whole\n'))
  appendFileSync(join(place, 'output.jsonl'), '{"time":"2026-11-22T08:00:00Z","stream":"stdout","te')
  t.is(joined(readAll(place), 'stdout'), 'whole\n')
  log.close()
})

test('what is no record of ours is passed over', (t) => {
  const { log, place } = logIn(temporaryDirectory(t))
  for (const line of ['', 'null', '7', '{"stream":"stdin","text":"x"}', '{"stream":"stdout","text":7}', '[]']) {
    appendFileSync(join(place, 'output.jsonl'), `${line}\n`)
  }
  log.append('stdout', Buffer.from('ours'))
  log.close()
  t.is(joined(readAll(place), 'stdout'), 'ours')
})

test('where there is no log there is nothing to read', (t) => {
  const reader = new OutputReader(temporaryDirectory(t))
  t.false(reader.exists)
  t.deepEqual([...reader.records()], [])
  reader.close()
})

/** Every write to this one says that the device is full. full(4) */
const fullTest = existsSync('/dev/full') ? test : test.skip
fullTest('a full disk loses output, and is no error of the program', (t) => {
  const place = temporaryDirectory(t)
  symlinkSync('/dev/full', join(place, 'output.jsonl'))
  const log = new OutputLog(place, PLENTY)
  t.notThrows(() => log.append('stdout', Buffer.from('lost')))
  t.notThrows(() => log.close())
})

test('the last lines of one stream are those of all its bytes, however they were cut into records', (t) => {
  const part = fc.array(fc.constantFrom('a', 'b', '\n', 'é'), { minLength: 1, maxLength: 8 }).map((all) => all.join(''))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 10 }), fc.integer({ min: 0, max: 12 }), (parts, count) => {
      const records = parts.map((text): OutputRecord => ({ time: '', stream: 'stdout', text }))
      const lines = parts.join('').match(/[^\n]*\n|[^\n]+$/g) ?? []
      const expected = count === 0 ? '' : lines.slice(-count).join('')
      const shown = lastLines(records, count)
      t.is(Buffer.concat(shown.map(outputBytes)).toString(), expected)
      t.true(shown.every((record) => outputBytes(record).length > 0))
    }),
    { numRuns: 1000 },
  )
})
