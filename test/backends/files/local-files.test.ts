/** Every message of 9P2000.L as v9fs sends it, through the device, against what the host then has. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type FixtureOptions, shareFixture } from '../../helpers/p9-client.ts'
import { message } from '../../helpers/p9-message.ts'

const [ENOENT, EBADF, EEXIST, ENOTDIR, EISDIR, EINVAL, ENOTEMPTY] = [2, 9, 17, 20, 21, 22, 39]
const [EPERM, EROFS, ELOOP, EPROTO, EMSGSIZE, EOPNOTSUPP] = [1, 30, 40, 71, 90, 95]
const isRoot = process.geteuid?.() === 0

const withFiles =
  (files: Readonly<Record<string, string>>): FixtureOptions['fill'] =>
  (directory) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  }

test('Tversion agrees on the smaller message and on 9P2000.L alone, and ends the session before it', async (t) => {
  const { client } = await shareFixture(t, { fill: withFiles({ large: 'x'.repeat(20_000) }) })
  await client.walk(0, 1)
  const version = async (msize: number, name: string) => {
    const reply = await client.ok(100, message().u32(msize).text(name), { tag: 0xffff })
    return [reply.u32(), reply.text()]
  }
  t.deepEqual(await version(1 << 30, '9P2000.L'), [132 * 1024, '9P2000.L'])
  t.is(await client.errno(24, message().u32(1).u64(0)), EBADF)
  t.deepEqual(await version(8192, '9P2000.L'), [8192, '9P2000.L'])
  t.is(await client.errno(116, message().u32(1).u64(0).u32(1).bytes(new Uint8Array(9000))), EMSGSIZE)
  await client.ok(104, message().u32(0).u32(0xffffffff).text('').text('').u32(0))
  await client.walk(0, 1, 'large')
  await client.open(1, 0)
  const part = await client.ok(116, message().u32(1).u64(0).u32(100_000))
  t.is(part.u32(), 8192 - 11, 'no answer is longer than agreed on')
  t.deepEqual(await version(8192, '9P2000.u'), [8192, 'unknown'])
  t.is(await client.errno(104, message().u32(0).u32(0xffffffff).text('').text('').u32(0)), EPROTO)
  t.deepEqual(await version(100, '9P2000.L'), [100, 'unknown'])
})

test('Tattach gives the shared directory, and Tauth says that there is nothing to prove', async (t) => {
  const { client, directory } = await shareFixture(t)
  t.is(await client.errno(102, message().u32(9).text('').text('').u32(0)), EOPNOTSUPP)
  t.is(await client.errno(104, message().u32(1).u32(9).text('').text('').u32(0)), EINVAL)
  const reply = await client.ok(104, message().u32(1).u32(0xffffffff).text('nobody').text('/etc').u32(0))
  const { type, path } = reply.qid()
  t.is(type, 0x80)
  t.is(path, BigInt(statSync(directory).ino))
  t.is(await client.errno(104, message().u32(1).u32(0xffffffff).text('').text('').u32(0)), EINVAL)
})

test('Twalk leads through names as far as they go, and only a whole walk gives a fid', async (t) => {
  const { client } = await shareFixture(t, {
    fill: (directory) => mkdirSync(join(directory, 'a/b/c'), { recursive: true }),
  })
  t.deepEqual(
    (await client.walk(0, 1, 'a', 'b', 'c')).map(({ type }) => type),
    [0x80, 0x80, 0x80],
  )
  t.is((await client.walk(0, 2, 'a', 'none', 'c')).length, 1)
  t.is(await client.errno(24, message().u32(2).u64(0)), EBADF)
  await t.throwsAsync(client.walk(0, 2, 'none'), { message: `errno ${ENOENT}` })
  await t.throwsAsync(client.walk(7, 2, 'a'), { message: `errno ${EBADF}` })
  await t.throwsAsync(client.walk(0, 1, 'a'), { message: `errno ${EINVAL}` })
  await t.throwsAsync(client.walk(0, 2, ...new Array(17).fill('a')), { message: `errno ${EINVAL}` })
  // Onto itself: the fid moves.
  await client.walk(0, 3)
  await client.walk(3, 3, 'a', 'b')
  t.is((await client.walk(3, 4, 'c')).length, 1)
})

test('Tlopen, Tread and Twrite move data, and end where the file does', async (t) => {
  const { client, directory } = await shareFixture(t, { fill: withFiles({ greeting: 'hello, guest' }) })
  await client.walk(0, 1, 'greeting')
  t.is(await client.errno(116, message().u32(1).u64(0).u32(5)), EBADF)
  await client.open(1, 2)
  t.is(await client.errno(12, message().u32(1).u32(0)), EINVAL)
  t.is(Buffer.from(await client.read(1, 7, 100)).toString(), 'guest')
  t.is((await client.read(1, 12, 100)).length, 0)
  t.is(await client.write(1, 7, 'host!'), 5)
  t.is(await client.write(1, 20, 'far'), 3)
  t.is(readFileSync(join(directory, 'greeting'), 'latin1'), 'hello, host!\0\0\0\0\0\0\0\0far')
})

for (const engine of ['best', 'pool'] as const) {
  test(`a file of some megabytes comes and goes in messages of any size (${engine})`, async (t) => {
    const bytes = Uint8Array.from({ length: 1_000_000 }, (_, at) => (at * 7 + (at >> 9)) & 0xff)
    const { client, directory } = await shareFixture(t, {
      engine,
      fill: (path) => writeFileSync(join(path, 'big'), bytes),
    })
    await client.walk(0, 1, 'big')
    await client.open(1, 0)
    const parts: Uint8Array[] = []
    for (let at = 0; ; ) {
      const part = await client.read(1, at, [135157, 4096, 1, 65536][parts.length % 4]!)
      if (part.length === 0) break
      parts.push(part)
      at += part.length
    }
    t.true(Buffer.concat(parts).equals(bytes))
    await client.walk(0, 2)
    await client.create(2, 'copy')
    for (let at = 0; at < bytes.length; at += 5000)
      t.is(await client.write(2, at, bytes.subarray(at, at + 5000)), Math.min(5000, bytes.length - at))
    await client.ok(50, message().u32(2).u32(1))
    await client.ok(50, message().u32(2).u32(0))
    t.true(readFileSync(join(directory, 'copy')).equals(bytes))
  })
}

test('O_APPEND and O_TRUNC are the host’s to do, and O_DIRECT and O_NONBLOCK nobody’s', async (t) => {
  const { client, directory } = await shareFixture(t, { fill: withFiles({ log: 'one\n', old: 'gone' }) })
  await client.walk(0, 1, 'log')
  await client.open(1, 0o2001 | 0o40000 | 0o4000)
  await client.write(1, 0, 'two\n')
  t.is(readFileSync(join(directory, 'log'), 'utf8'), 'one\ntwo\n')
  await client.walk(0, 2, 'old')
  await client.open(2, 0o1001)
  t.is(statSync(join(directory, 'old')).size, 0)
  await client.walk(0, 3, 'old')
  await client.open(3, 0o4000002)
  t.is(await client.write(3, 0, 'stable'), 6)
})

test('Tlcreate makes a file for the user of the fid, and the fid is the file from then on', async (t) => {
  const { client, directory } = await shareFixture(t)
  await client.ok(104, message().u32(1).u32(0xffffffff).text('').text('').u32(1234))
  const made = await client.create(1, 'new', { mode: 0o106750, gid: 5678 })
  const stat = statSync(join(directory, 'new'))
  t.is(made.path, BigInt(stat.ino))
  t.is(stat.mode, 0o100750, 'no set-user-ID bit comes from a guest')
  t.deepEqual([stat.uid, stat.gid], isRoot ? [1234, 5678] : [process.getuid!(), process.getgid!()])
  t.is(await client.write(1, 0, 'mine'), 4)
  await t.throwsAsync(client.create(1, 'below'), { message: `errno ${EINVAL}` })
  await client.walk(0, 2)
  await t.throwsAsync(client.create(2, 'new', { flags: 0o302 }), { message: `errno ${EEXIST}` })
  await client.create(2, 'new', { flags: 0o102 })
  t.is(Buffer.from(await client.read(2, 0, 9)).toString(), 'mine')
})

test('Tmkdir, Tsymlink, Treadlink, Tlink and Tmknod make what Linux asks for, and no device', async (t) => {
  const { client, directory, outside } = await shareFixture(t, { fill: withFiles({ file: 'x' }) })
  const at = (name: string) => join(directory, name)
  await client.ok(72, message().u32(0).text('dir').u32(0o47755).u32(0))
  t.is(statSync(at('dir')).mode & 0o7777, 0o3755)
  t.is(await client.errno(72, message().u32(0).text('dir').u32(0o40755).u32(0)), EEXIST)
  const secret = join(outside, 'secret')
  await client.ok(16, message().u32(0).text('link').text(secret).u32(0))
  t.is(readlinkSync(at('link')), secret)
  t.is((await client.walk(0, 1, 'link'))[0]!.type, 2)
  t.is((await client.ok(22, message().u32(1))).text(), secret)
  await client.walk(0, 2, 'file')
  t.is(await client.errno(22, message().u32(2)), EINVAL)
  await client.ok(70, message().u32(0).u32(2).text('hard'))
  t.is(statSync(at('hard')).nlink, 2)
  await client.ok(18, message().u32(0).text('node').u32(0o100600).u32(0).u32(0).u32(0))
  t.is(statSync(at('node')).mode, 0o100600)
  for (const kind of [0o020666, 0o060666, 0o010666, 0o140666])
    t.is(await client.errno(18, message().u32(0).text('device').u32(kind).u32(1).u32(3).u32(0)), EPERM)
  t.false(existsSync(at('device')))
})

test('Trenameat, Trename, Tunlinkat and Tremove change names, and open files go on without one', async (t) => {
  const { client, directory } = await shareFixture(t, {
    fill: (path) => {
      mkdirSync(join(path, 'dir/sub'), { recursive: true })
      for (const name of ['a', 'b', 'c']) writeFileSync(join(path, name), name)
    },
  })
  const at = (name: string) => join(directory, name)
  await client.walk(0, 1, 'dir')
  await client.ok(74, message().u32(0).text('a').u32(1).text('a2'))
  t.is(readFileSync(at('dir/a2'), 'utf8'), 'a')
  await client.walk(0, 2, 'b')
  await client.ok(20, message().u32(2).u32(1).text('b2'))
  t.is(readFileSync(at('dir/b2'), 'utf8'), 'b')
  await client.open(2, 2)
  t.is(await client.errno(76, message().u32(1).text('sub').u32(0)), EISDIR)
  t.is(await client.errno(76, message().u32(0).text('dir').u32(0x200)), ENOTEMPTY)
  t.is(await client.errno(76, message().u32(1).text('b2').u32(0x200)), ENOTDIR)
  t.is(await client.errno(76, message().u32(1).text('b2').u32(0x1000)), EINVAL)
  await client.ok(76, message().u32(1).text('sub').u32(0x200))
  await client.ok(76, message().u32(1).text('b2').u32(0))
  t.is(await client.write(2, 1, 'till the end'), 12)
  t.is(Buffer.from(await client.read(2, 0, 99)).toString(), 'btill the end')
  t.is((await client.getattr(2)).links, 0n)
  await client.walk(0, 3, 'c')
  await client.ok(122, message().u32(3))
  t.false(existsSync(at('c')))
  t.is(await client.errno(120, message().u32(3)), EBADF, 'Tremove has clunked it')
  t.is(await client.errno(122, message().u32(2)), ENOENT, 'what has no name cannot be removed')
})

test('Tremove and Trename take the file that the fid is, not another one that has its name by now', async (t) => {
  const { client, directory } = await shareFixture(t, { fill: withFiles({ mine: '1', other: '2' }) })
  await client.walk(0, 1, 'mine')
  rmSync(join(directory, 'mine'))
  writeFileSync(join(directory, 'mine (deleted)'), '3')
  t.is(await client.errno(20, message().u32(1).u32(0).text('x')), 116)
  t.is(await client.errno(122, message().u32(1)), 116)
  t.is(readFileSync(join(directory, 'mine (deleted)'), 'utf8'), '3')
})

test('Tgetattr tells what stat tells, and a buffer size of one message', async (t) => {
  const { client, directory } = await shareFixture(t, { fill: withFiles({ file: 'some text' }) })
  utimesSync(join(directory, 'file'), 1000.25, 2000.5)
  await client.walk(0, 1, 'file')
  const stat = statSync(join(directory, 'file'), { bigint: true })
  const told = await client.getattr(1)
  t.is(told.valid, 0x7ffn)
  t.is(told.qid.path, stat.ino)
  t.like(told, { mode: Number(stat.mode), links: 1n, size: 9n, blocks: stat.blocks, blockSize: 131072n })
  t.deepEqual([told.uid, told.gid], isRoot ? [Number(stat.uid), Number(stat.gid)] : [0, 0])
  t.deepEqual(told.accessed, { s: 1000n, ns: 250_000_000n })
  t.deepEqual(told.modified, { s: 2000n, ns: 500_000_000n })
  t.is(told.changed.s * 1_000_000_000n + told.changed.ns, stat.ctimeNs)
})

test('qid.version moves with every change of the file, by whomever', async (t) => {
  const { client, directory } = await shareFixture(t, { fill: withFiles({ file: 'a' }) })
  await client.walk(0, 1, 'file')
  const versions = [(await client.getattr(1)).qid.version]
  for (const change of [
    () => writeFileSync(join(directory, 'file'), 'b'),
    () => chmodSync(join(directory, 'file'), 0o600),
    () => linkSync(join(directory, 'file'), join(directory, 'second')),
  ]) {
    // The host's clock for files moves once a tick.
    await new Promise((resolve) => setTimeout(resolve, 30))
    change()
    versions.push((await client.getattr(1)).qid.version)
  }
  t.is(new Set(versions).size, 4)
})

test('Tsetattr changes what its mask says and nothing else', async (t) => {
  const { client, directory } = await shareFixture(t, { fill: withFiles({ file: 'some text' }) })
  const path = join(directory, 'file')
  await client.walk(0, 1, 'file')
  await client.setattr(1, 0x1, { mode: 0o106751, size: 3n })
  t.is(statSync(path).mode, 0o100751, 'no set-user-ID bit comes from a guest')
  await client.setattr(1, 0x8, { size: 4n })
  t.is(readFileSync(path, 'utf8'), 'some')
  await client.setattr(1, 0x10 | 0x20 | 0x80 | 0x100, { accessed: [-5n, 7n], modified: [1n << 31n, 999_999_999n] })
  const { atimeNs, mtimeNs } = statSync(path, { bigint: true })
  t.deepEqual([atimeNs, mtimeNs], [-4_999_999_993n, 2_147_483_648_999_999_999n])
  await client.setattr(1, 0x20)
  t.true(Math.abs(statSync(path).mtimeMs - Date.now()) < 60_000)
  t.is(statSync(path, { bigint: true }).atimeNs, -4_999_999_993n)
  await t.throwsAsync(
    client
      .setattr(1, 0x110, { modified: [0n, 1_000_000_000n] })
      .then(() => client.setattr(1, 0x120, { modified: [0n, 1_073_741_823n] })),
    { message: `errno ${EINVAL}` },
  )
  await client.open(1, 2)
  await client.setattr(1, 0x8, { size: 100n })
  t.is(statSync(path).size, 100)
  await t.throwsAsync(client.setattr(1, 0x8, { size: 1n << 60n }), { message: `errno ${EINVAL}` })
  await t.throwsAsync(client.setattr(0, 0x8, { size: 0n }), { message: `errno ${EISDIR}` })
  await t.throwsAsync(client.setattr(1, 0x2, { uid: 0xffffffff }), { message: `errno ${EINVAL}` })
})

const owned = isRoot ? test : test.skip
owned('with root’s rights the guest’s users are the host’s, and links are given away themselves', async (t) => {
  const { client, directory, outside } = await shareFixture(t, { fill: withFiles({ file: '' }) })
  writeFileSync(join(outside, 'target'), '')
  symlinkSync(join(outside, 'target'), join(directory, 'link'))
  await client.walk(0, 1, 'file')
  await client.setattr(1, 0x6, { uid: 1234, gid: 5678 })
  t.like(statSync(join(directory, 'file')), { uid: 1234, gid: 5678 })
  await client.walk(0, 2, 'link')
  await client.setattr(2, 0x6, { uid: 77, gid: 77 })
  t.like(lstatSync(join(directory, 'link')), { uid: 77, gid: 77 })
  t.like(statSync(join(outside, 'target')), { uid: 0, gid: 0 })
  await t.throwsAsync(client.setattr(2, 0x1, { mode: 0o777 }), { message: /errno/ })
  t.is(statSync(join(outside, 'target')).mode & 0o777, 0o644)
})

test('an ordinary user’s files are root’s inside, all others nobody’s, and none are given away', async (t) => {
  const { ownersFor } = await import('../../../src/backends/files/owners.ts')
  const [uid, gid] = isRoot ? [4242, 4242] : [process.getuid!(), process.getgid!()]
  const { client, directory } = await shareFixture(t, { owners: ownersFor(uid, gid), fill: withFiles({ file: '' }) })
  await client.walk(0, 1, 'file')
  const told = await client.getattr(1)
  t.deepEqual([told.uid, told.gid], isRoot ? [65534, 65534] : [0, 0])
  await t.throwsAsync(client.setattr(1, 0x2, { uid: 5 }), { message: `errno ${EPERM}` })
  await client.setattr(1, 0x6, { uid: 0, gid: 0 })
  t.like(statSync(join(directory, 'file')), { uid, gid })
  if (isRoot) t.deepEqual([(await client.getattr(1)).uid, (await client.getattr(1)).gid], [0, 0])
})

test('Treaddir lists a thousand files, each once, in messages of any size, with their inode numbers', async (t) => {
  const names = Array.from({ length: 1000 }, (_, index) => `file-${index}-${'x'.repeat(index % 200)}`)
  const { client, directory } = await shareFixture(t, {
    fill: (path) => {
      for (const name of names) writeFileSync(join(path, name), '')
    },
  })
  await client.walk(0, 1)
  t.is(await client.errno(40, message().u32(1).u64(0).u32(4096)), EBADF)
  await client.open(1, 0o200000)
  for (const count of [300, 4096, 100_000]) {
    const entries = await client.list(1, count)
    t.deepEqual(entries.map(({ name }) => name).sort(), ['.', '..', ...names].sort())
    for (const { name, path } of entries.slice(0, 50))
      if (name !== '..') t.is(path, BigInt(statSync(join(directory, name)).ino))
    t.is(entries.find(({ name }) => name === '..')!.path, BigInt(statSync(directory).ino))
  }
  t.is(await client.errno(40, message().u32(1).u64(0).u32(10)), EINVAL)
  await client.walk(0, 2, names[0]!)
  await client.open(2, 0)
  t.is(await client.errno(40, message().u32(2).u64(0).u32(4096)), ENOTDIR)
  t.is(await client.errno(116, message().u32(1).u64(0).u32(10)), EISDIR)
})

test('names are bytes, not text', async (t) => {
  const { client } = await shareFixture(t)
  const name = Uint8Array.of(0xff, 0xfe, 0x20, 0x0a, 0xc3)
  await client.walk(0, 1)
  await client.ok(14, message().u32(1).text(name).u32(2).u32(0o644).u32(0))
  await client.walk(0, 2)
  await client.open(2, 0)
  t.true((await client.list(2)).some((entry) => Buffer.from(entry.name, 'latin1').equals(name)))
  await client.ok(76, message().u32(0).text(name).u32(0))
})

test('Tstatfs, Tlock, Tgetlock and Txattrwalk answer as QEMU’s server does', async (t) => {
  const { client } = await shareFixture(t, { fill: withFiles({ file: '' }) })
  await client.walk(0, 1, 'file')
  const facts = await client.ok(8, message().u32(1))
  t.is(facts.u32(), 0x01021997)
  t.true(facts.u32() > 0)
  t.true(facts.u64() > 0n)
  await client.open(1, 2)
  const locked = await client.ok(52, message().u32(1).u8(1).u32(0).u64(0).u64(0).u32(1).text('guest'))
  t.is(locked.u8(), 0)
  const free = await client.ok(54, message().u32(1).u8(1).u64(5).u64(6).u32(7).text('guest'))
  t.deepEqual([free.u8(), free.u64(), free.u64(), free.u32(), free.text()], [2, 5n, 6n, 7, 'guest'])
  t.is(await client.errno(30, message().u32(1).u32(2).text('security.capability')), EOPNOTSUPP)
  t.is(await client.errno(32, message().u32(1).text('user.x').u64(1).u32(0)), EOPNOTSUPP)
  t.is(await client.errno(99, message()), EOPNOTSUPP)
})

test('a read-only share reads everything and changes nothing', async (t) => {
  const { client, directory } = await shareFixture(t, {
    readOnly: true,
    fill: (path) => {
      withFiles({ file: 'text' })!(path)
      mkdirSync(join(path, 'dir'))
    },
  })
  await client.walk(0, 1, 'file')
  const before = statSync(join(directory, 'file'))
  const refusals = [
    [12, message().u32(1).u32(1)],
    [12, message().u32(1).u32(2)],
    [12, message().u32(1).u32(0o1000)],
    [14, message().u32(0).text('new').u32(0).u32(0o644).u32(0)],
    [14, message().u32(0).text('file').u32(0).u32(0o644).u32(0)],
    [16, message().u32(0).text('link').text('file').u32(0)],
    [18, message().u32(0).text('node').u32(0o100644).u32(0).u32(0).u32(0)],
    [20, message().u32(1).u32(0).text('renamed')],
    [26, message().u32(1).u32(1).u32(0o600).u32(0).u32(0).u64(0).u64(0).u64(0).u64(0).u64(0)],
    [26, message().u32(1).u32(0x40).u32(0).u32(0).u32(0).u64(0).u64(0).u64(0).u64(0).u64(0)],
    [70, message().u32(0).u32(1).text('hard')],
    [72, message().u32(0).text('dir2').u32(0o755).u32(0)],
    [74, message().u32(0).text('file').u32(0).text('renamed')],
    [76, message().u32(0).text('file').u32(0)],
    [76, message().u32(0).text('dir').u32(0x200)],
  ] as const
  for (const [type, fields] of refusals) t.is(await client.errno(type, fields), EROFS, `message ${type}`)
  await client.walk(0, 2, 'file')
  t.is(await client.errno(122, message().u32(2)), EROFS)
  await client.open(1, 0)
  t.is(Buffer.from(await client.read(1, 0, 10)).toString(), 'text')
  t.is(await client.errno(118, message().u32(1).u64(0).u32(1).u8(65)), EBADF)
  const { ctimeMs, mtimeMs, size, ino } = statSync(join(directory, 'file'))
  t.deepEqual([ctimeMs, mtimeMs, size, ino], [before.ctimeMs, before.mtimeMs, before.size, before.ino])
})

test('a share of a single file holds that file alone, and nothing around it changes', async (t) => {
  const { client, directory } = await shareFixture(t, {
    only: 'config',
    fill: withFiles({ config: 'a=1', key: 'secret' }),
  })
  await client.walk(0, 1)
  await client.open(1, 0)
  t.deepEqual((await client.list(1)).map(({ name }) => name).sort(), ['.', '..', 'config'])
  await t.throwsAsync(client.walk(0, 2, 'key'), { message: `errno ${ENOENT}` })
  await client.walk(0, 2, 'config')
  await client.walk(0, 3, 'config')
  await client.open(2, 2)
  t.is(await client.write(2, 2, '2'), 1)
  t.is(readFileSync(join(directory, 'config'), 'utf8'), 'a=2')
  await client.setattr(3, 0x8, { size: 1n })
  const EBUSY = 16
  for (const [type, fields] of [
    [14, message().u32(0).text('new').u32(0).u32(0o644).u32(0)],
    [16, message().u32(0).text('link').text('key').u32(0)],
    [70, message().u32(0).u32(2).text('hard')],
    [72, message().u32(0).text('dir').u32(0o755).u32(0)],
    [74, message().u32(0).text('key').u32(0).text('config')],
    [76, message().u32(0).text('config').u32(0)],
    [20, message().u32(2).u32(0).text('key')],
    [26, message().u32(0).u32(1).u32(0o777).u32(0).u32(0).u64(0).u64(0).u64(0).u64(0).u64(0)],
    [122, message().u32(3)],
  ] as const)
    t.is(await client.errno(type, fields), EBUSY, `message ${type}`)
  rmSync(join(directory, 'config'))
  symlinkSync('key', join(directory, 'config'))
  await t.throwsAsync(client.walk(0, 5, 'config'), { message: `errno ${ENOENT}` })
  t.is(ELOOP, 40)
})

test('Tflush is answered after the request that it is about', async (t) => {
  const held: (() => void)[] = []
  const { client } = await shareFixture(t, {
    fill: withFiles({ file: 'text' }),
    change: (files) => ({
      kind: files.kind,
      threads: files.threads,
      preadv: (fd, vector, offset, done) => files.preadv(fd, vector, offset, done),
      pwritev: (fd, vector, offset, done) => files.pwritev(fd, vector, offset, done),
      fdatasync: (_, done) => held.push(() => done(0)),
      fsync: (_, done) => held.push(() => done(-5)),
      fallocate: (fd, mode, offset, length, done) => files.fallocate(fd, mode, offset, length, done),
      submit: () => files.submit(),
      drain: (fd) => files.drain(fd),
      close: () => files.close(),
    }),
  })
  await client.walk(0, 1, 'file')
  await client.open(1, 2)
  const order: string[] = []
  const sync = client.ask(50, message().u32(1).u32(1), { tag: 500 }).then(() => order.push('fsync'))
  const flush = client.ask(108, message().u16(500), { tag: 501 }).then(() => order.push('flush'))
  t.is((await client.ask(24, message().u32(1).u64(0), { tag: 500 })).errno, EINVAL, 'its tag is in use')
  await client.ok(108, message().u16(777))
  // The file goes before its work has ended: nothing is closed under it.
  await client.clunk(1)
  t.deepEqual(order, [])
  held.shift()!()
  await Promise.all([sync, flush])
  t.deepEqual(order, ['fsync', 'flush'])
  await client.walk(0, 1, 'file')
  await client.open(1, 2)
  const failed = client.ask(50, message().u32(1).u32(0))
  held.shift()!()
  t.is((await failed).errno, 5)
})
