import test from 'ava'
import fc from 'fast-check'
import { parseRequest, REQUEST_MAX } from '../../src/control/protocol.ts'
import { UsageError } from '../../src/errors.ts'

const VERBS = ['signal', 'stop', 'kill', 'pause', 'resume', 'stats', 'update', 'wait', 'attach', 'exec', 'snapshot']

/** What may stand in a field: the right thing now and then. */
const field = fc.oneof(fc.integer({ min: -10, max: 100 }), fc.boolean(), fc.jsonValue())
const shaped = fc.record(
  {
    verb: fc.oneof(fc.constantFrom(...VERBS), fc.jsonValue()),
    signo: field,
    graceMs: field,
    removed: field,
    input: field,
    memoryBytes: field,
    argv: fc.oneof(fc.array(fc.string(), { minLength: 1 }), field),
    env: fc.oneof(fc.array(fc.string()), field),
    cwd: fc.oneof(fc.constant('/tmp'), field),
    directory: fc.oneof(fc.constantFrom('/tmp/one', 'one', '/a\0b'), field),
    base: fc.oneof(fc.constant('/tmp/two'), field),
    user: fc.oneof(fc.record({ uid: field, gid: field }), field),
    tty: fc.oneof(fc.record({ cols: field, rows: field }), field),
    tool: fc.oneof(fc.constantFrom('copy-in', 'processes'), field),
  },
  { requiredKeys: [] },
)

test('whatever JSON arrives is a request with checked fields, or refused by a sentence', (t) => {
  fc.assert(
    fc.property(fc.oneof(shaped, fc.jsonValue()), (value) => {
      try {
        const request = parseRequest(JSON.stringify(value))
        if (!VERBS.includes(request.verb)) return false
        if (request.verb === 'signal')
          return Number.isInteger(request.signo) && request.signo >= 1 && request.signo <= 64
        if (request.verb === 'stop') return Number.isInteger(request.graceMs) && request.graceMs >= 0
        if (request.verb === 'update') return Number.isSafeInteger(request.memoryBytes) && request.memoryBytes > 0
        if (request.verb === 'kill') return typeof request.removed === 'boolean'
        if (request.verb === 'exec') {
          const { argv, env, cwd = '/', user = { uid: 0, gid: 0 }, tty = { cols: 1, rows: 1 }, tool } = request
          return (
            [...argv, ...env].every((one) => !one.includes('\0')) &&
            (tool !== undefined || argv[0] !== '') &&
            cwd.startsWith('/') &&
            [user.uid, user.gid].every((id) => Number.isSafeInteger(id) && id >= 0 && id < 2 ** 32 - 1) &&
            [tty.cols, tty.rows].every((size) => Number.isSafeInteger(size) && size > 0 && size < 2 ** 16)
          )
        }
        if (request.verb === 'attach') return typeof request.input === 'boolean'
        if (request.verb === 'snapshot') {
          const { directory, base = '/' } = request
          return [directory, base].every((path) => path.startsWith('/') && !path.includes('\0'))
        }
        return Object.keys(request).length === 1
      } catch (error) {
        return (
          error instanceof UsageError &&
          error.message.startsWith('Cannot read the request') &&
          error.message.length < 200
        )
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('what is no JSON is refused, be it as deep as a line may be', (t) => {
  for (const line of ['', '{', 'signal', '{"verb":"wait"', '['.repeat(REQUEST_MAX)]) {
    t.throws(() => parseRequest(line), { instanceOf: UsageError, message: /it is not JSON/ })
  }
  const deep = '['.repeat(REQUEST_MAX / 2) + ']'.repeat(REQUEST_MAX / 2)
  t.throws(() => parseRequest(deep), { instanceOf: UsageError, message: /there is no verb/ })
})

test('numbers outside their range are refused by name', (t) => {
  for (const signo of [0, 65, -1, 1.5, '9', null]) {
    t.throws(() => parseRequest(JSON.stringify({ verb: 'signal', signo })), {
      message: /"signo" must be .* from 1 to 64/,
    })
  }
  for (const graceMs of [-1, 2 ** 31, '1', undefined]) {
    t.throws(() => parseRequest(JSON.stringify({ verb: 'stop', graceMs })), { message: /"graceMs" must be/ })
  }
  t.deepEqual(parseRequest('{"verb":"stop","graceMs":0,"more":1}'), { verb: 'stop', graceMs: 0 })
})
