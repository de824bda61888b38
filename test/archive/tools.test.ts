import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { pack } from '../../src/archive/pack.ts'
import { rootName } from '../../src/archive/tar-format.ts'
import { headerBlocks } from '../../src/archive/tar-write.ts'
import { unpack } from '../../src/archive/unpack.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { compileTools, describeTree, fileName, fileNode, makeTree, tree } from '../helpers/file-trees.ts'

/** Each run starts processes. */
const RUNS = { numRuns: 15 }
/** Twice the size of the longest tree that is made. */
const OUTPUT_MAX = 64 * 2 ** 20

const compiled = mkdtempSync(join(tmpdir(), 'cloister-tools-'))
const TOOL = compileTools(compiled)
test.after.always(() => rmSync(compiled, { recursive: true }))

function tool(args: readonly string[], input: Uint8Array = Buffer.alloc(0)) {
  const { status, signal, stdout, stderr } = spawnSync(TOOL, args, { input, maxBuffer: OUTPUT_MAX })
  return { status: status ?? signal, stdout, stderr: stderr.toString() }
}

async function packed(source: string): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of pack(source, { follow: false, onFault: (text) => parts.push(Buffer.from(text)) }))
    parts.push(part)
  return Buffer.concat(parts)
}

async function* slices(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const header = (fields: Partial<Parameters<typeof headerBlocks>[0]>) =>
  headerBlocks({ type: '0', name: 'f', link: '', size: 0, mode: 0o644, uid: 0, gid: 0, mtime: 5, ...fields })
const file = (name: string, text: string) => {
  const body = Buffer.alloc(Math.ceil(text.length / 512) * 512)
  body.write(text)
  return Buffer.concat([header({ name, size: text.length }), body])
}

/** A fresh place for each run of a property: they are many. */
async function inPlace(t: ExecutionContext, work: (place: string) => Promise<void>): Promise<void> {
  const place = mkdtempSync(join(temporaryDirectory(t), 'p'))
  try {
    await work(place)
  } finally {
    rmSync(place, { recursive: true })
  }
}

test('any tree goes from copy-out to the host, and from the host to copy-in, as it is', async (t) => {
  const base = temporaryDirectory(t)
  let count = 0
  await fc.assert(
    fc.asyncProperty(tree, fc.integer({ min: 1, max: 70_000 }), async (node, slice) => {
      const place = join(base, String(count++))
      mkdirSync(place)
      makeTree(Buffer.from(join(place, 'source')), node)
      const out = tool(['copy-out', join(place, 'source')])
      if (out.status !== 0 || out.stderr !== '') throw new Error(`copy-out: ${out.status} ${out.stderr}`)
      await unpack(slices(out.stdout, slice), join(place, 'host'), 'source')
      const back = tool(['copy-in', join(place, 'again')], await packed(join(place, 'host')))
      if (back.status !== 0 || back.stderr !== '') throw new Error(`copy-in: ${back.status} ${back.stderr}`)
      const expected = describeTree(join(place, 'source'))
      t.deepEqual(describeTree(join(place, 'host')), expected)
      t.deepEqual(describeTree(join(place, 'again')), expected)
      rmSync(place, { recursive: true })
    }),
    RUNS,
  )
})

test('any file goes both ways under any name, and takes the place of one that is there', async (t) => {
  await fc.assert(
    fc.asyncProperty(fileName, fileNode, (name, node) =>
      inPlace(t, async (place) => {
        const from = Buffer.concat([Buffer.from(`${place}/`), Buffer.from(name, 'latin1')])
        makeTree(from, node)
        writeFileSync(join(place, 'there before'), 'x')
        // A name of any bytes as an argument is beyond spawn: its directory goes instead.
        const { stdout, status } = tool(['copy-out', `${place}/.`])
        if (status !== 0) throw new Error(`copy-out: ${status}`)
        mkdirSync(join(place, 'host'))
        await unpack(slices(stdout, 4096), join(place, 'host'), '.')
        const copies = describeTree(join(place, 'host'))
        t.deepEqual(copies[`/${name}`], describeTree(place)[`/${name}`])
      }),
    ),
    RUNS,
  )
})

for (const [where, apply] of [
  ['copy-in', async (bytes: Buffer, path: string, _root?: string) => tool(['copy-in', path], bytes).status === 0],
  [
    'the host',
    (bytes: Buffer, path: string, root = '.') =>
      unpack(slices(bytes, 1000), path, root).then(
        () => true,
        (error: Error) => {
          if (!error.message.startsWith('Cannot copy')) throw error
          return false
        },
      ),
  ],
] as const) {
  const setUp = (t: ExecutionContext) => {
    const place = temporaryDirectory(t)
    mkdirSync(join(place, 'target'))
    mkdirSync(join(place, 'outside'))
    writeFileSync(join(place, 'outside/file'), 'as it was')
    symlinkSync('../outside', join(place, 'target/way-out'))
    symlinkSync('../outside/file', join(place, 'target/to-file'))
    return { place, outside: () => describeTree(join(place, 'outside')) }
  }

  for (const [what, parts] of [
    ['leads up', [file('../outside/new', 'x')]],
    ['leads up further on', [file('a/../../outside/new', 'x')]],
    ['goes through a link that was there', [file('way-out/new', 'x')]],
    [
      'goes through a link that came before it',
      [header({ type: '2', name: 'l', link: '../outside' }), file('l/new', 'x')],
    ],
    [
      'is a directory where a link is',
      [header({ type: '5', name: 'way-out/', mode: 0o700 }), file('way-out/new', 'x')],
    ],
    ['is a second name of a file outside', [header({ type: '1', name: 'h', link: '../outside/file' })]],
    ['is a second name of a file through a link', [header({ type: '1', name: 'h', link: 'way-out/file' })]],
  ] as const) {
    test(`${where}: an entry that ${what} is refused, and nothing outside is touched`, async (t) => {
      const { place, outside } = setUp(t)
      const before = outside()
      t.false(
        await apply(
          Buffer.concat([header({ type: '5', name: './' }), ...parts, Buffer.alloc(1024)]),
          join(place, 'target'),
        ),
      )
      t.deepEqual(outside(), before)
    })
  }

  test(`${where}: a file takes the place of a link, and what the link led to stays`, async (t) => {
    const { place, outside } = setUp(t)
    const before = outside()
    t.true(await apply(Buffer.concat([file('to-file', 'new'), Buffer.alloc(1024)]), join(place, 'target')))
    t.is(readFileSync(join(place, 'target/to-file'), 'utf8'), 'new')
    t.deepEqual(outside(), before)
  })

  test(`${where}: an absolute name is one below the target`, async (t) => {
    const { place } = setUp(t)
    t.true(await apply(Buffer.concat([file('/abs/f', 'x'), Buffer.alloc(1024)]), join(place, 'target')))
    t.is(readFileSync(join(place, 'target/abs/f'), 'utf8'), 'x')
  })

  test(`${where}: devices and pipes are left out, and the rest is made`, async (t) => {
    const { place } = setUp(t)
    const parts = [
      header({ type: '3', name: 'null' }),
      header({ type: '6', name: 'pipe' }),
      file('f', 'x'),
      Buffer.alloc(1024),
    ]
    t.true(await apply(Buffer.concat(parts), join(place, 'target')))
    t.deepEqual(Object.keys(describeTree(join(place, 'target'))).sort(), ['', '/f', '/to-file', '/way-out'])
  })

  test(`${where}: what becomes the target may have nothing beside its first entry`, async (t) => {
    const { place } = setUp(t)
    const parts = [header({ type: '5', name: 'a/' }), file('a/f', 'x'), file('b', 'y'), Buffer.alloc(1024)]
    t.false(await apply(Buffer.concat(parts), join(place, 'new'), 'a'))
    t.deepEqual(Object.keys(describeTree(join(place, 'new'))), ['', '/f'])
  })

  test(`${where}: what is no regular file and no directory keeps its place`, async (t) => {
    const { place } = setUp(t)
    const pipe = join(place, 'pipe')
    t.is(spawnSync('mkfifo', [pipe]).status, 0)
    t.false(await apply(Buffer.concat([file('f', 'x'), Buffer.alloc(1024)]), pipe, 'f'))
    t.true(lstatSync(pipe).isFIFO())
  })

  test(`${where}: a damaged archive makes nothing outside its target, and ends in one of our errors`, async (t) => {
    const base = temporaryDirectory(t)
    makeTree(Buffer.from(join(base, 'source')), fc.sample(tree, { numRuns: 1, seed: 7 })[0]!)
    writeFileSync(join(base, 'source/f'), 'x'.repeat(3000))
    const sound = await packed(join(base, 'source'))
    const patch = fc.record({
      at: fc.integer({ min: 0, max: Math.min(sound.length, 8192) - 1 }),
      byte: fc.integer({ min: 0, max: 255 }),
    })
    let count = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(patch, { maxLength: 6 }),
        fc.boolean(),
        fc.nat(sound.length),
        async (patches, mend, length) => {
          const bytes = Buffer.from(sound)
          for (const { at, byte } of patches) bytes[at] = byte
          // With sums that hold again it is the fields that are judged.
          if (mend) for (let at = 0; at + 512 <= bytes.length; at += 512) mendSum(bytes.subarray(at, at + 512))
          const place = join(base, String(count++))
          mkdirSync(place)
          const ended = await apply(bytes.subarray(0, length), join(place, 'target'), 'source')
          t.true(typeof ended === 'boolean')
          t.true(Object.keys(describeTree(place)).every((name) => name === '' || name.startsWith('/target')))
          rmSync(place, { recursive: true })
        },
      ),
      { numRuns: 40 },
    )
  })
}

test('the host: into a directory comes what was asked for, and nothing under another name', async (t) => {
  for (const [asked, sent] of [
    ['log', file('.bashrc', 'x')],
    ['log', file('logs', 'x')],
    ['log', Buffer.concat([file('log', 'x'), header({ type: '5', name: '.ssh/' })])],
    ['log', Buffer.concat([file('log', 'x'), header({ type: '1', name: 'log', link: '.profile' })])],
  ] as const) {
    const home = temporaryDirectory(t)
    writeFileSync(join(home, '.profile'), 'as it was')
    await t.throwsAsync(unpack(slices(Buffer.concat([sent, Buffer.alloc(1024)]), 1000), home, asked), {
      message: /it would lie outside/,
    })
    t.deepEqual(
      readdirSync(home).filter((name) => name !== 'log'),
      ['.profile'],
    )
  }
})

test('the host: an archive that is left out, or says one directory, without end takes no memory', async (t) => {
  const home = temporaryDirectory(t)
  async function* many() {
    for (let count = 0; count < 200; count++) yield header({ type: '3', name: `d/${count}` })
    for (let count = 0; count < 200; count++) yield header({ type: '5', name: 'd/', mode: 0o700 })
    yield Buffer.alloc(1024)
  }
  const { leftOut } = await unpack(many(), home, 'd')
  t.is(leftOut.length, 9)
  t.is(leftOut.at(-1), '192 more')
})

test("what would run as one of the host's users does not run as root where it goes", async (t) => {
  const path = join(temporaryDirectory(t), 'f')
  writeFileSync(path, '')
  if (process.geteuid?.() === 0) chownSync(path, 5, 5)
  chmodSync(path, 0o6755)
  t.is((await packed(path)).toString('latin1', 100, 107), '0000755')
})

test('what an archive calls a path is the same on both sides', (t) => {
  const place = temporaryDirectory(t)
  mkdirSync(join(place, 'a'))
  for (const path of ['a', 'a/', 'a//', 'a/.', 'a/..', '/', '.', `${place}/a`, `${place}/a/..`]) {
    const { stdout } = spawnSync(TOOL, ['copy-out', path], { cwd: place, maxBuffer: 1024 })
    t.is(stdout.toString('latin1', 0, 100).replace(/\/?\0.*$/, ''), rootName(path), path)
  }
})

function mendSum(block: Buffer): void {
  if (block.toString('latin1', 257, 262) !== 'ustar') return
  block.fill(0x20, 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
}

test('GNU tar reads what we write, and we read what it writes', async (t) => {
  const base = temporaryDirectory(t)
  const long = 'd'.repeat(90)
  mkdirSync(join(base, 'source', long, long), { recursive: true })
  writeFileSync(join(base, 'source', long, long, 'file'), 'x')
  symlinkSync('y'.repeat(150), join(base, 'source/link'))
  const expected = describeTree(join(base, 'source'))
  for (const format of ['gnu', 'pax', 'ustar']) {
    const args = ['-C', base, `--format=${format}`, '-cf', '-', format === 'ustar' ? `source/${long}` : 'source']
    const { stdout, status } = spawnSync('tar', args, { maxBuffer: OUTPUT_MAX })
    t.is(status, 0)
    mkdirSync(join(base, format, 'in'), { recursive: true })
    mkdirSync(join(base, format, 'host'))
    t.is(tool(['copy-in', join(base, format, 'in')], stdout).status, 0)
    await unpack(slices(stdout, 10_000), join(base, format, 'host'), 'source')
    if (format !== 'ustar') {
      t.deepEqual(describeTree(join(base, format, 'in/source')), expected, format)
      t.deepEqual(describeTree(join(base, format, 'host/source')), expected, format)
    } else t.is(readFileSync(join(base, format, 'in/source', long, long, 'file'), 'utf8'), 'x')
  }
  for (const [name, bytes] of [
    ['tool', tool(['copy-out', join(base, 'source')]).stdout],
    ['host', await packed(join(base, 'source'))],
  ] as const) {
    mkdirSync(join(base, name))
    t.is(spawnSync('tar', ['-C', join(base, name), '-xpf', '-'], { input: bytes }).status, 0)
    t.deepEqual(describeTree(join(base, name, 'source')), expected)
  }
})

test('copy-out -p is the bytes of a file, and of a directory a tar; copy-in -p takes both', (t) => {
  const base = temporaryDirectory(t)
  mkdirSync(join(base, 'd'))
  writeFileSync(join(base, 'd/f'), 'hello\n')
  t.is(tool(['copy-out', '-p', join(base, 'd/f')]).stdout.toString(), 'hello\n')
  const { stdout } = tool(['copy-out', '-p', join(base, 'd')])
  mkdirSync(join(base, 'e'))
  t.is(tool(['copy-in', '-p', join(base, 'e')], stdout).status, 0)
  t.is(readFileSync(join(base, 'e/d/f'), 'utf8'), 'hello\n')
  t.is(tool(['copy-in', '-p', join(base, 'e/new')], Buffer.from('plain')).status, 0)
  t.is(readFileSync(join(base, 'e/new'), 'utf8'), 'plain')
})

test('an archive of "." or of a longer path becomes the target as well', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'source/sub'), { recursive: true })
  writeFileSync(join(directory, 'source/one'), 'one')
  linkSync(join(directory, 'source/one'), join(directory, 'source/two'))
  writeFileSync(join(directory, 'source/sub/three'), 'three')
  const archive = (...args: string[]) => spawnSync('tar', ['c', '-C', directory, ...args]).stdout
  const here = spawnSync('tar', ['c', '-C', join(directory, 'source'), '.']).stdout
  t.is(tool(['copy-in', join(directory, 'new')], here).status, 0)
  t.deepEqual(describeTree(join(directory, 'new')), describeTree(join(directory, 'source')))
  t.is(tool(['copy-in', join(directory, 'deep')], archive('source/sub')).status, 0)
  t.is(readFileSync(join(directory, 'deep/three'), 'utf8'), 'three')
  t.is(tool(['copy-in', join(directory, 'link')], archive('source/one', 'source/two')).status, 1)
})

test('a tool that fails says so in one line and ends with 1', async (t) => {
  const base = temporaryDirectory(t)
  const socket = createServer().listen(join(base, 'socket'))
  t.teardown(() => socket.close())
  writeFileSync(join(base, 'file'), '')
  for (const [args, words] of [
    [['copy-out', join(base, 'gone')], /gone: No such file or directory\n$/],
    [['copy-out', join(base, 'socket')], /socket: it is a socket\n$/],
    [['copy-out', `${join(base, 'file')}/`], /Not a directory\n$/],
    [['copy-in', join(base, 'new')], /new: nothing came to be copied\n$/],
    [['copy-in', join(base, 'no/where')], /No such file or directory\n$|nothing came/],
    [['nonsense'], /copy-out/],
    [['copy-out'], /one path is needed/],
  ] as const) {
    const { status, stdout, stderr } = tool(args)
    t.is(status, 1, args.join(' '))
    t.is(stdout.length, 0)
    t.regex(stderr, words)
    t.is(stderr.trimEnd().split('\n').length, 1)
  }
})

test('processes tells of every process but itself, in rows of JSON', (t) => {
  const rows = tool(['processes'])
    .stdout.toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const one = rows.find(({ pid }) => pid === process.ppid)
  t.truthy(one)
  t.is(one?.user, spawnSync('id', ['-un'], { encoding: 'utf8' }).stdout.trim())
  for (const { pid, ppid, uid, cpuTimeNs, residentBytes, command, state } of rows) {
    t.true([pid, ppid, uid, cpuTimeNs, residentBytes].every(Number.isSafeInteger))
    t.regex(String(state), /^[A-Zt]$/)
    t.is(typeof command, 'string')
  }
})
