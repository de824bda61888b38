import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connectStreams } from '../../src/container/streams.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

/** How the file of this name would be connected as standard output. */
function letterOf(t: ExecutionContext, path: string, flags = 'r'): string {
  const fd = openSync(path, flags)
  t.teardown(() => closeSync(fd))
  return connectStreams({ stdout: fd, stderr: fd }, false)[1]!.letter
}

for (const [name, letter] of [
  ['null', 'n'],
  ['zero', 'z'],
  ['full', 'f'],
  ['random', 'r'],
  ['urandom', 'u'],
] as const) {
  test(`instead of /dev/${name} of the host a container gets its own`, (t) => {
    t.is(letterOf(t, `/dev/${name}`), letter)
  })
}

test('a socket is handed in, as a pipe is', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  t.deepEqual(connectStreams({ stdout: fd, stderr: fd }, false).slice(1), [
    { letter: 'p', fd },
    { letter: 'p', fd },
  ])
})

test('what has a name in a file system of the host is copied: regular files, named pipes', (t) => {
  const file = join(temporaryDirectory(t), 'file')
  writeFileSync(file, '')
  t.is(letterOf(t, file), 'k')
  const fifo = join(temporaryDirectory(t), 'pipe:[1]')
  spawnSync('mkfifo', [fifo])
  t.is(letterOf(t, fifo, 'r+'), 'k')
})

test('a directory is refused, the stream named', (t) => {
  for (const path of ['/', '/proc']) t.throws(() => letterOf(t, path), { message: /standard output.*a directory/ })
})

test('without -i there is no standard input, whatever is connected', (t) => {
  const [stdin] = connectStreams({ stdin: 0, stdout: 1, stderr: 2 }, false)
  t.deepEqual(stdin, { letter: 'n' })
})
