import { once } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { printable, printableJson } from '../../src/archive/printable.ts'
import { parsePlace } from '../../src/cli/commands/cp.ts'
import { parseUser } from '../../src/cli/parse-user.ts'
import { UsageError } from '../../src/errors.ts'
import { homeOf } from '../../src/image/home-directory.ts'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { containerTest, temporaryDirectory } from '../helpers/containers.ts'
import { detachedCommandLine } from '../helpers/detached.ts'

test('a place is in an instance when a name and a colon begin it, and otherwise of the host', (t) => {
  t.deepEqual(parsePlace('web:/etc/hosts'), { kind: 'inside', name: 'web', path: '/etc/hosts' })
  t.deepEqual(parsePlace('web:a:b/.'), { kind: 'inside', name: 'web', path: '/a:b/.' })
  t.deepEqual(parsePlace('-'), { kind: 'stream' })
  for (const path of ['file', './a:b', '/a:b', '../web:/x', 'a/b:c', ''])
    t.deepEqual(parsePlace(path), { kind: 'host', path })
  t.throws(() => parsePlace('web:'), { instanceOf: UsageError, message: /the path is missing/ })
})

test('a copy that leads from instance to instance, or from host to host, is refused with an example', async (t) => {
  const cloister = commandLine(t)
  for (const [args, words] of [
    [['a:/x', 'b:/y'], /from one instance to another/],
    [['x', 'y'], /one of the two must be in an instance/],
    [['-', '-'], /one of the two must be in an instance/],
    [['nobody:/x', 'y'], /there is none of that name/],
  ] as const) {
    const { status, stderr } = await cloister(['cp', ...args])
    t.is(status, 125)
    t.regex(stderr, words)
  }
})

test('text from inside moves no cursor and turns no line, and as JSON it is the same value', (t) => {
  const hostile = 'a\u001b[2J\u009b31m\u007f\u202eb\u2066é'
  t.is(printable(hostile), 'a?[2J?31m??b?é')
  const json = printableJson([{ command: hostile }])
  t.is(json.split('\n').map(printable).join('\n'), json)
  t.deepEqual(JSON.parse(json), [{ command: hostile }])
})

containerTest('a reader that goes away ends cp as it ends cat, without a word', async (t) => {
  const cloister = detachedCommandLine(t)
  await cloister(['run', '-d', '--isolation', 'container', '--name', 'web', BUSYBOX, 'sleep', '600'])
  const input = Buffer.alloc(4_000_000, 'text ')
  t.is((await cloister(['cp', '-', 'web:/tmp/much'], { input })).status, 0)
  const { child, result } = cloister.start(['cp', 'web:/tmp/much', '-'])
  await once(child.stdout!, 'data')
  child.stdout!.destroy()
  t.like(await result, { status: 141, stderr: '' })
})

containerTest('exec -it where there is no terminal is refused before anything is started', async (t) => {
  const cloister = detachedCommandLine(t)
  await cloister(['run', '-d', '--isolation', 'container', '--name', 'web', BUSYBOX, 'sleep', '600'])
  const { status, stderr } = await cloister(['exec', '-it', 'web', BUSYBOX, 'touch', '/tmp/done'], { input: '' })
  t.is(status, 125)
  t.regex(stderr, /^cloister: Cannot give the program a terminal: standard input is not one\./)
  t.is((await cloister(['exec', 'web', BUSYBOX, 'test', '-e', '/tmp/done'])).status, 1)
})

test('a user is one number or two, and the group has the number of the user unless said', (t) => {
  t.deepEqual(parseUser('1000'), { uid: 1000, gid: 1000 })
  t.deepEqual(parseUser('0:5'), { uid: 0, gid: 5 })
  for (const wrong of ['', 'root', '1:', ':1', '-1', '1.5', '4294967295', '1:4294967295', '1:2:3', '0x10']) {
    t.throws(() => parseUser(wrong), { instanceOf: UsageError, message: /it takes numbers/ }, wrong)
  }
})

test("a user's home is what the root directory says, links followed inside it, or /", (t) => {
  const directory = temporaryDirectory(t)
  const root = { kind: 'rootfs', directory } as const
  t.is(homeOf(root, 0), '/root')
  t.is(homeOf(root, 1000), '/')
  mkdirSync(join(directory, 'etc'))
  mkdirSync(join(directory, 'usr'))
  writeFileSync(
    join(directory, 'usr/passwd'),
    'root:x:0:0::/home/root:/bin/sh\nweb:x:1000:1000::/srv/web:\nodd:x:7:7::relative:\n',
  )
  symlinkSync('/usr/passwd', join(directory, 'etc/passwd'))
  t.deepEqual(
    [0, 1000, 7, 8].map((uid) => homeOf(root, uid)),
    ['/home/root', '/srv/web', '/', '/'],
  )
  t.is(homeOf({ kind: 'program', hostPath: '/bin/true', path: '/bin/true' }, 1000), '/')
})
