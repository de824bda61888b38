import { execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { rootImage } from '../../src/microvm/root-image.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

/** EROFS_SUPER_MAGIC_V1, 1024 bytes into the image. Linux fs/erofs/erofs_fs.h */
const MAGIC = 0xe0f5e1e2
const hasTools = spawnSync('mkfs.erofs', ['--help']).status === 0
const erofsTest = hasTools ? test : test.skip

/** What a tool that reads images says of one path in it. */
const look = (image: string, path: string): string =>
  execFileSync('dump.erofs', [`--path=${path}`, image], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })

function tree(t: ExecutionContext) {
  const base = temporaryDirectory(t)
  const directory = join(base, 'root')
  mkdirSync(join(directory, 'etc'), { recursive: true })
  writeFileSync(join(directory, 'etc/name'), 'a tree')
  symlinkSync('name', join(directory, 'etc/link'))
  chmodSync(join(directory, 'etc/name'), 0o640)
  utimesSync(join(directory, 'etc/name'), 1_600_000_000, 1_600_000_000)
  const images = join(base, 'images')
  return { directory, images, make: () => rootImage({ kind: 'rootfs', directory }, { directory: images }) }
}

erofsTest('a root directory becomes an image that holds its files with their modes and times', async (t) => {
  const { make } = tree(t)
  const image = await make()
  t.is(readFileSync(image).readUInt32LE(1024), MAGIC)
  t.regex(look(image, '/etc/name'), /Size: 6 .*regular file/)
  t.regex(look(image, '/etc/name'), /Access: 0640/)
  t.regex(look(image, '/etc/name'), /Timestamp: 2020-09-13/)
  t.regex(look(image, '/etc/link'), /symlink/)
})

erofsTest('an image is made once for a tree: who runs it again finds it', async (t) => {
  const { make, images } = tree(t)
  const image = await make()
  const { ino } = statSync(image)
  t.is(await make(), image)
  t.is(statSync(image).ino, ino)
  t.deepEqual(readdirSync(images).length, 1)
})

const CHANGES: Record<string, (directory: string) => void> = {
  'a file is written': (directory) => appendFileSync(join(directory, 'etc/name'), '!'),
  'a file is written and given its old time again': (directory) => {
    writeFileSync(join(directory, 'etc/name'), 'a bush')
    utimesSync(join(directory, 'etc/name'), 1_600_000_000, 1_600_000_000)
  },
  'a mode changes': (directory) => chmodSync(join(directory, 'etc/name'), 0o600),
  'a file comes': (directory) => writeFileSync(join(directory, 'new'), ''),
  'a link leads elsewhere': (directory) => {
    execFileSync('ln', ['-sfn', 'other', join(directory, 'etc/link')])
  },
}
for (const [what, change] of Object.entries(CHANGES)) {
  erofsTest(`another image is made when ${what}`, async (t) => {
    const { make, directory } = tree(t)
    const before = await make()
    change(directory)
    t.not(await make(), before)
  })
}

erofsTest('the same tree gives the same bytes, whenever it is made', async (t) => {
  const { directory } = tree(t)
  const bytesIn = async (images: string) =>
    readFileSync(await rootImage({ kind: 'rootfs', directory }, { directory: join(temporaryDirectory(t), images) }))
  t.deepEqual(await bytesIn('one'), await bytesIn('two'))
})

erofsTest('a single program lies at its path, among the few files that every level gives it', async (t) => {
  const directory = join(temporaryDirectory(t), 'images')
  const image = await rootImage({ kind: 'program', hostPath: '/bin/busybox', path: '/opt/tools/box' }, { directory })
  t.regex(look(image, '/opt/tools/box'), new RegExp(`Size: ${statSync('/bin/busybox').size} `))
  t.regex(look(image, '/opt/tools/box'), /Access: 0755/)
  t.regex(look(image, '/etc/passwd'), /regular file/)
  t.regex(look(image, '/tmp'), /directory/)
  t.deepEqual(readdirSync(directory), [image.slice(directory.length + 1)])
})

erofsTest('a program whose path is that of one of those files takes its place', async (t) => {
  const directory = join(temporaryDirectory(t), 'images')
  for (const path of ['/etc', '/etc/passwd', '/tmp/box']) {
    const image = await rootImage({ kind: 'program', hostPath: '/bin/busybox', path }, { directory })
    t.regex(look(image, path), new RegExp(`Size: ${statSync('/bin/busybox').size} `), path)
  }
})

erofsTest('sockets, FIFOs and links in circles are kept as they are, and nothing outside is read', async (t) => {
  const { directory, make } = tree(t)
  execFileSync('mkfifo', [join(directory, 'fifo')])
  symlinkSync('b', join(directory, 'a'))
  symlinkSync('a', join(directory, 'b'))
  symlinkSync('/', join(directory, 'host'))
  const server = createServer().listen(join(directory, 'socket'))
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const image = await make()
  t.regex(look(image, '/host'), /symlink/)
  t.regex(look(image, '/fifo'), /FIFO/i)
  t.regex(look(image, '/socket'), /SOCK/i)
  t.regex(look(image, '/a'), /symlink/)
})

erofsTest('several at once make one image, and leave nothing else', async (t) => {
  const { make, images } = tree(t)
  const paths = await Promise.all([make(), make(), make(), make()])
  t.is(new Set(paths).size, 1)
  t.deepEqual(readdirSync(images), [paths[0]!.slice(images.length + 1)])
})

/** A maker of images that does what the test says. */
function maker(t: ExecutionContext, script: string): string {
  const path = join(temporaryDirectory(t), 'mkfs.erofs')
  writeFileSync(path, `#!/bin/sh\nfor last; do :; done\n${script}\n`, { mode: 0o755 })
  return path
}
/** Its last arguments are the image and the tree. */
const TOUCH_IMAGE = 'while [ $# -gt 2 ]; do shift; done; : > "$1"'

test('a tree that changes while it is read is read again, and given up when it changes each time', async (t) => {
  const { directory, images } = tree(t)
  const count = join(images, '..', 'count')
  const mkfs = maker(t, `echo x >> ${count}; date +%N > "$last/etc/name"; ${TOUCH_IMAGE}`)
  const error = await t.throwsAsync(rootImage({ kind: 'rootfs', directory }, { directory: images, mkfs }))
  t.regex(error!.message, /^Cannot make a root image of .*: it changes all the time\.$/)
  t.is(readFileSync(count, 'utf8'), 'x\n'.repeat(3))
  t.deepEqual(readdirSync(images), [])
})

test('a maker that fails is quoted, without control characters, and leaves nothing', async (t) => {
  const { directory, images } = tree(t)
  const mkfs = maker(t, 'printf "<E> erofs: no \\033[2Jroom\\n" >&2; exit 1')
  const error = await t.throwsAsync(rootImage({ kind: 'rootfs', directory }, { directory: images, mkfs }))
  t.regex(error!.message, /mkfs\.erofs ended with 1: no \ufffd\[2Jroom\.$/)
  t.deepEqual(readdirSync(images), [])
})

test('without a maker of images the package that has it is named', async (t) => {
  const { directory, images } = tree(t)
  const error = await t.throwsAsync(
    rootImage({ kind: 'rootfs', directory }, { directory: images, mkfs: '/nowhere/mkfs' }),
  )
  t.regex(error!.message, /this host has no/)
  t.like(error, { name: 'HostError' })
  t.regex((error as { hint?: string }).hint ?? '', /erofs-utils/)
})

test('what takes longer than a moment is announced, with how much it is', async (t) => {
  const { directory, images } = tree(t)
  const told: string[] = []
  const mkfs = maker(t, `sleep 1.2; ${TOUCH_IMAGE}`)
  await rootImage({ kind: 'rootfs', directory }, { directory: images, mkfs, progress: (line) => told.push(line) })
  t.is(told.length, 1)
  t.regex(told[0]!, /^making a root image of .*root \(4 files, 1 MiB\)/)
})

test('a directory that is not there, or is taken away, is named', async (t) => {
  const base = temporaryDirectory(t)
  const missing = rootImage({ kind: 'rootfs', directory: join(base, 'gone') }, { directory: join(base, 'images') })
  await t.throwsAsync(missing, { message: /Cannot read .*gone.*: ENOENT/ })
  t.false(existsSync(join(base, 'images')) && readdirSync(join(base, 'images')).length > 0)
})

test('who does not want the image any more waits for nothing, and nothing of it stays', async (t) => {
  const { directory, images } = tree(t)
  const mkfs = join(images, '../slow')
  writeFileSync(mkfs, '#!/bin/sh\necho half > "$3"\nexec sleep 600\n', { mode: 0o755 })
  const abort = new AbortController()
  const made = rootImage(
    { kind: 'program', hostPath: mkfs, path: '/slow' },
    { directory: images, mkfs, signal: abort.signal },
  )
  while (!existsSync(images) || !readdirSync(images).some((name) => /\.erofs\./.test(name))) await sleep(5)
  abort.abort()
  await t.throwsAsync(made, { message: /^Cannot make a root image of .*SIGKILL/ })
  t.deepEqual(readdirSync(images), [])
  t.true(existsSync(directory))
})

test('another maker makes another image: guests that went on from a snapshot know where in it their files lie', async (t) => {
  const { directory, images } = tree(t)
  const makers = ['one', 'another'].map((name) => {
    const path = join(images, `../${name}`)
    writeFileSync(
      path,
      `#!/bin/sh\nshift 2\nfor path in "$@"; do case $path in *.new) echo ${name} > "$path";; esac; done\n`,
      {
        mode: 0o755,
      },
    )
    return path
  })
  const made = []
  for (const mkfs of makers) made.push(await rootImage({ kind: 'rootfs', directory }, { directory: images, mkfs }))
  t.not(made[0], made[1])
  t.deepEqual(
    made.map((path) => readFileSync(path, 'utf8')),
    ['one\n', 'another\n'],
  )
})
