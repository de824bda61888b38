import test from 'ava'
import { UsageError } from '../src/errors.ts'
import { createLog, parseLogFormat, parseLogLevel } from '../src/log.ts'

test('a pretty line has the time, the level, the message and the facts', (t) => {
  const lines: string[] = []
  const log = createLog({ level: 'info', write: (line) => lines.push(line) })
  log.child({ instance: 'web' }).info('guest started', { memory: 134217728n, path: '/a b' })
  log.debug('not this one')
  t.is(lines.length, 1)
  t.regex(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} info {2}guest started instance=web memory="134217728" path="\/a b"\n$/)
})

test('text from a guest cannot move the cursor through a fact', (t) => {
  const lines: string[] = []
  createLog({ write: (line) => lines.push(line) }).warn('the guest said', { line: '\u001b[2J\n' })
  t.true(lines[0]!.endsWith(' line="\\u001b[2J\\n"\n'))
})

test('json lines come in order, with level, time, message and facts, errors and big numbers included', async (t) => {
  const lines: string[] = []
  const log = createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) })
  log.debug('one', { count: 1n })
  log.child({ instance: 'web' }).error('two', { error: new RangeError('boom') })
  await log.flush()
  const [one, two] = lines.map((line) => JSON.parse(line))
  t.like(one, { level: 'debug', msg: 'one', count: '1' })
  t.like(two, { level: 'error', msg: 'two', instance: 'web', error: { name: 'RangeError', message: 'boom' } })
  t.true(Date.parse(one.time) > 0)
})

test('silent is silent', async (t) => {
  const lines: string[] = []
  const log = createLog({ level: 'silent', format: 'json', write: (line) => lines.push(line) })
  log.error('x')
  await log.flush()
  t.false(log.enabled('error'))
  t.deepEqual(lines, [])
})

test('levels and formats are checked by name', (t) => {
  t.is(parseLogLevel('debug'), 'debug')
  t.is(parseLogFormat('json'), 'json')
  t.throws(() => parseLogLevel('loud'), { instanceOf: UsageError })
  t.throws(() => parseLogFormat('xml'), { instanceOf: UsageError })
})
