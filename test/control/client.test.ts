import { closeSync, fstatSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connectControl, HolderGone } from '../../src/control/client.ts'
import { serveControl } from '../../src/control/server.ts'
import { UsageError } from '../../src/errors.ts'
import { ownIdentity, type ProcessIdentity } from '../../src/instance/process-identity.ts'
import type { InstanceRecord } from '../../src/instance/record.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const recordIn = (directory: string, owner: ProcessIdentity = ownIdentity()): InstanceRecord => ({
  name: 'web',
  directory,
  config: { spec: busyboxSpec(['true']), createdAt: '', removeOnExit: false, detached: true },
  state: { status: 'running', owner },
})

/** Says this to whoever connects, and closes. */
async function saying(t: ExecutionContext, what: string | Buffer): Promise<InstanceRecord> {
  const directory = temporaryDirectory(t)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(what))
  })
  await new Promise<void>((resolve) => server.listen(join(directory, 'control.sock'), resolve))
  t.teardown(() => server.close())
  return recordIn(directory)
}

test('an instance that is still booting is waited for', async (t) => {
  const directory = temporaryDirectory(t)
  const connecting = connectControl(recordIn(directory))
  const server = await serveControl(directory, {
    answer: async ({ verb }) => ({ did: verb }),
    stream: async () => () => {},
  })
  const client = await connecting
  t.deepEqual(await client.ask({ verb: 'pause' }), { ok: true, did: 'pause' } as object)
  client.close()
  await server.close()
})

test('one whose process is gone is not, whether its directory is there or not', async (t) => {
  const directory = temporaryDirectory(t)
  const dead = { ...ownIdentity(), startTime: '1' }
  await t.throwsAsync(connectControl(recordIn(directory, dead)), { instanceOf: HolderGone })
  await t.throwsAsync(connectControl(recordIn(join(directory, 'nowhere'), dead)), { instanceOf: HolderGone })
})

test('a refusal is the error of whoever asked, an end without an answer is HolderGone', async (t) => {
  const refused = await connectControl(await saying(t, '{"ok":false,"error":{"message":"No.","hint":"Why."}}\n'))
  const error = await t.throwsAsync(refused.ask({ verb: 'pause' }), { instanceOf: UsageError, message: 'No.' })
  t.is((error as UsageError).hint, 'Why.')
  for (const what of ['', '{"ok":', Buffer.alloc(2 ** 21, 'a')]) {
    const client = await connectControl(await saying(t, what))
    await t.throwsAsync(client.ask({ verb: 'pause' }), { instanceOf: HolderGone })
    client.close()
  }
})

test('what follows an answer stays in the socket', async (t) => {
  const { socket, ask } = await connectControl(await saying(t, '{"ok":true}\nrest of it'))
  await ask({ verb: 'attach', input: false })
  let rest = ''
  socket.on('data', (bytes) => {
    rest += bytes
  })
  socket.resume()
  await new Promise((resolve) => socket.on('close', resolve))
  t.is(rest, 'rest of it')
})

test('a socket that nobody listens on any more, of a living process, is named in the error', async (t) => {
  const directory = join(temporaryDirectory(t), 'd')
  mkdirSync(directory)
  const server = await serveControl(directory, { answer: async () => ({}), stream: async () => () => {} })
  const client = await connectControl(recordIn(directory))
  rmSync(directory, { recursive: true })
  await server.close()
  await t.throwsAsync(client.ask({ verb: 'pause' }), { instanceOf: HolderGone })
})

test('an error of the connection later closes nothing that others may have opened meanwhile', async (t) => {
  const { socket } = await connectControl(await saying(t, ''))
  const mine = openSync('/dev/null', 'r')
  socket.destroy(new Error('reset by the other side'))
  await new Promise((resolve) => socket.on('close', resolve))
  t.true(fstatSync(mine).isCharacterDevice())
  closeSync(mine)
})
