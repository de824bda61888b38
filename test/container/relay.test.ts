import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { relayOutput } from '../../src/container/relay.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

function relay(t: ExecutionContext) {
  const path = join(temporaryDirectory(t), 'out')
  const fd = openSync(path, 'w')
  t.teardown(() => closeSync(fd))
  const from = new PassThrough()
  return {
    from,
    written: () => readFileSync(path, 'utf8'),
    relay: relayOutput(from, fd, (error) => t.fail(`${error}`)),
  }
}

test('what comes before there is a program is kept, and shown to nobody', async (t) => {
  const { from, written, relay: one } = relay(t)
  from.end('mount overlay: no\n')
  await one.closed
  t.is(one.held(), 'mount overlay: no\n')
  t.is(written(), '')
})

test('once there is one, all of it is written in order, also when it has ended meanwhile', async (t) => {
  const { from, written, relay: one } = relay(t)
  from.write('a')
  from.write('b')
  from.end('c')
  await one.closed
  one.open()
  await one.done
  t.is(written(), 'abc')
  t.is(one.held(), '')
})

test('a writer that has much to say before it is listened to waits, and nothing of it is lost', async (t) => {
  const { from, written, relay: one } = relay(t)
  const text = 'x'.repeat(300_000)
  for (let at = 0; at < text.length; at += 10_000) from.write(text.slice(at, at + 10_000))
  from.end()
  await new Promise((resolve) => setImmediate(resolve))
  t.true(one.held().length < text.length)
  one.open()
  await one.done
  t.is(written().length, text.length)
})

test('one that is abandoned is done, opened or not', async (t) => {
  for (const opened of [false, true]) {
    const { from, written, relay: one } = relay(t)
    from.write('a')
    if (opened) one.open()
    one.abandon()
    await one.done
    t.is(from.destroyed, true)
    t.true(written().length <= 1)
  }
})
