import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { largestFile, rootTree } from '../../src/image/root-tree.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { readCpio, writeCpio } from '../helpers/cpio.ts'

const recordsOf = (directory: string, log?: (line: string) => void) =>
  readCpio(writeCpio(rootTree({ kind: 'rootfs', directory }, log)))

function program(t: ExecutionContext, path: string) {
  const hostPath = join(temporaryDirectory(t), 'program')
  writeFileSync(hostPath, 'the bytes')
  utimesSync(hostPath, 1_600_000_000, 1_600_000_000)
  return readCpio(writeCpio(rootTree({ kind: 'program', hostPath, path })))
}

test('a single program lies at its path, among the few files that every level gives it, all of its own age', (t) => {
  const records = program(t, '/opt/tools/program')
  t.deepEqual(
    records.map(({ path, mode }) => [path, mode.toString(8)]),
    [
      ['.', '40755'],
      ['./dev', '40755'],
      ['./etc', '40755'],
      ['./proc', '40755'],
      ['./root', '40755'],
      ['./sys', '40755'],
      ['./tmp', '41777'],
      ['./etc/passwd', '100644'],
      ['./etc/group', '100644'],
      ['./opt', '40755'],
      ['./opt/tools', '40755'],
      ['./opt/tools/program', '100755'],
    ],
  )
  t.is(records.at(-1)!.content.toString(), 'the bytes')
  t.deepEqual([...new Set(records.map(({ mtime }) => mtime))], [1_600_000_000])
})

test('a program keeps its path even where one of those files would be', (t) => {
  for (const path of ['/etc', '/etc/passwd', '/etc/passwd/program', '/tmp/program', '/root']) {
    const records = program(t, path)
    const names = records.map((record) => record.path)
    t.is(new Set(names).size, names.length, path)
    t.is(records.at(-1)!.path, `.${path}`)
    t.is(records.at(-1)!.content.toString(), 'the bytes')
    const files = records.filter(({ mode }) => (mode & 0o170000) === 0o100000)
    for (const file of files)
      t.false(
        names.some((name) => name.startsWith(`${file.path}/`)),
        path,
      )
  }
})

test('a program named by a symbolic link is the file it leads to', (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'real'), 'the bytes')
  symlinkSync('real', join(directory, 'link'))
  const records = readCpio(writeCpio(rootTree({ kind: 'program', hostPath: join(directory, 'link'), path: '/link' })))
  t.is(records.at(-1)!.content.toString(), 'the bytes')
})

test('a root directory keeps links as links, and its own mode', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'etc'))
  writeFileSync(join(directory, 'etc/motd'), 'hello')
  symlinkSync('/etc/shadow', join(directory, 'etc/link'))
  const records = recordsOf(directory)
  t.deepEqual(
    records.map(({ path, content }) => [path, content.toString()]),
    [
      ['.', ''],
      ['./etc', ''],
      ['./etc/link', '/etc/shadow'],
      ['./etc/motd', 'hello'],
    ],
  )
  t.is(records[0]!.mode, 0o040700)
  t.is(records[2]!.mode & 0o170000, 0o120000)
})

test('names and link targets that are no UTF-8 are carried byte by byte, in the order of bytes', (t) => {
  const directory = temporaryDirectory(t)
  const at = (...bytes: number[]) => Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(bytes)])
  mkdirSync(at(0xff, 0xfe))
  writeFileSync(Buffer.concat([at(0xff, 0xfe), Buffer.from('/in')]), 'inside')
  writeFileSync(at(0xc3), 'half a letter')
  writeFileSync(at(0xee, 0x80, 0x80), 'U+E000')
  writeFileSync(at(0xf0, 0x90, 0x80, 0x80), 'U+10000')
  symlinkSync(Buffer.from([0xff]), at(0x61))
  t.deepEqual(
    recordsOf(directory).map(({ name, content }) => [name.toString('latin1'), content.toString('latin1')]),
    [
      ['.', ''],
      ['./a', '\xff'],
      ['./\xc3', 'half a letter'],
      ['./\xee\x80\x80', 'U+E000'],
      ['./\xf0\x90\x80\x80', 'U+10000'],
      ['./\xff\xfe', ''],
      ['./\xff\xfe/in', 'inside'],
    ],
  )
})

test('hard links stay names of one file', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'sub'))
  writeFileSync(join(directory, 'one'), 'text')
  linkSync(join(directory, 'one'), join(directory, 'sub/two'))
  symlinkSync('one', join(directory, 'link'))
  linkSync(join(directory, 'link'), join(directory, 'link2'))
  const found = new Map(recordsOf(directory).map((record) => [record.path, record]))
  const [one, two, link, link2] = ['./one', './sub/two', './link', './link2'].map((path) => found.get(path)!)
  t.is(one!.ino, two!.ino)
  t.deepEqual([one!.nlink, two!.nlink], [2, 2])
  t.deepEqual([one!.content.toString(), two!.content.toString()], ['text', ''])
  t.is(link!.ino, link2!.ino)
  t.deepEqual([link!.content.toString(), link2!.content.toString()], ['one', 'one'])
})

test('a file with further names outside the tree is an ordinary one', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'root'))
  writeFileSync(join(directory, 'root/one'), 'text')
  linkSync(join(directory, 'root/one'), join(directory, 'outside'))
  t.like(recordsOf(join(directory, 'root'))[1], { path: './one', nlink: 1 })
})

test('FIFOs are carried, and sockets are left out with a line that says how many', async (t) => {
  const directory = temporaryDirectory(t)
  execFileSync('mkfifo', ['-m', '640', join(directory, 'fifo')])
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(directory, 'socket'), resolve))
  t.teardown(() => server.close())
  const lines: string[] = []
  const records = recordsOf(directory, (line) => lines.push(line))
  t.deepEqual(
    records.map(({ path, mode }) => [path, mode.toString(8)]),
    [
      ['.', '40700'],
      ['./fifo', '10640'],
    ],
  )
  t.deepEqual(lines, [`1 socket of ${directory} left out of the file tree`])
})

const nodesTest = process.geteuid?.() === 0 ? test : test.skip

nodesTest('device nodes are carried with their numbers (needs root)', (t) => {
  const directory = temporaryDirectory(t)
  execFileSync('mknod', [join(directory, 'block'), 'b', '259', '300'])
  execFileSync('mknod', [join(directory, 'null'), 'c', '1', '3'])
  t.deepEqual(
    recordsOf(directory)
      .slice(1)
      .map(({ path, mode, rdev }) => [path, (mode & 0o170000).toString(8), ...rdev]),
    [
      ['./block', '60000', 259, 300],
      ['./null', '20000', 1, 3],
    ],
  )
})

test('a missing root directory is refused by name', (t) => {
  t.throws(() => rootTree({ kind: 'rootfs', directory: '/no/such/root' }), {
    name: 'UsageError',
    message: /\/no\/such\/root.*: ENOENT/,
  })
})

test('the largest file is found by its path inside', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'data'))
  writeFileSync(join(directory, 'data/big'), Buffer.alloc(10_000))
  writeFileSync(join(directory, 'small'), 'x')
  t.deepEqual(largestFile(rootTree({ kind: 'rootfs', directory })), { name: '/data/big', size: 10_000 })
})
