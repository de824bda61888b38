import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { findModules, kernelVersion, readModules } from '../../src/microvm/kernel-modules.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const VERSION = '6.1.0-56-amd64'

/** As much of a bzImage as says its version. */
function bzImage(t: ExecutionContext, version = VERSION): string {
  const image = Buffer.alloc(4096)
  image.write('HdrS', 0x202, 'latin1')
  image.writeUInt16LE(0x600, 0x20e)
  image.write(`${version} (builder@host) #1 SMP\0`, 0x800, 'latin1')
  const path = join(temporaryDirectory(t), 'vmlinuz')
  writeFileSync(path, image)
  return path
}

function put(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

/** What a distribution has below /lib/modules. */
function distribution(t: ExecutionContext, files: Record<string, string | Buffer>, dep: string, builtin = '') {
  const root = temporaryDirectory(t)
  const directory = join(root, VERSION)
  for (const [name, content] of Object.entries(files)) put(join(directory, name), content)
  put(join(directory, 'modules.dep'), dep)
  put(join(directory, 'modules.builtin'), builtin)
  return root
}

const BUILTIN = ['virtio_mmio', 'overlay'].map((name) => `kernel/${name}.ko\n`).join('')
const DEP = `kernel/virtio_blk.ko: kernel/virtio_ring.ko kernel/virtio.ko
kernel/virtio_ring.ko: kernel/virtio.ko
kernel/virtio.ko:
kernel/vmw_vsock_virtio_transport.ko: kernel/vsock.ko kernel/virtio.ko
kernel/vsock.ko:
kernel/erofs.ko:
kernel/9p.ko: kernel/9pnet.ko
kernel/9pnet.ko:
kernel/sound.ko:
`
const FILES = Object.fromEntries(
  [...DEP.matchAll(/^(kernel\/(\w+)\.ko):/gm)].map(([, path, name]) => [path!, `${name}'s code`]),
)

test('a bzImage says which version of Linux it is', (t) => {
  t.is(kernelVersion(bzImage(t)), VERSION)
})

test('a version that is no name of a directory is none', (t) => {
  for (const version of ['../../etc', '.', '..', '/etc', ''])
    t.is(kernelVersion(bzImage(t, version)), undefined, version)
})

test('whatever a kernel file holds, its version is a plain name or none', (t) => {
  const path = join(temporaryDirectory(t), 'kernel')
  const property = fc.property(
    fc.uint8Array({ maxLength: 2048 }),
    fc.boolean(),
    fc.nat(0xffff),
    (bytes, magic, offset) => {
      const image = Buffer.from(bytes)
      if (magic && image.length > 0x210) {
        image.write('HdrS', 0x202, 'latin1')
        image.writeUInt16LE(offset, 0x20e)
      }
      writeFileSync(path, image)
      const version = kernelVersion(path)
      return version === undefined || /^[\w+~-][\w.+~-]*$/.test(version)
    },
  )
  t.notThrows(() => fc.assert(property, { numRuns: 200 }))
})

test('modules beside a kernel are taken in the order that stands there', (t) => {
  const kernel = bzImage(t)
  put(join(dirname(kernel), 'guest/order'), 'b.ko\na.ko\n')
  put(join(dirname(kernel), 'guest/modules/a.ko'), 'A')
  put(join(dirname(kernel), 'guest/modules/b.ko'), 'B')
  const modules = readModules(findModules(kernel)!)
  t.deepEqual(
    modules.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]),
    [
      ['b.ko', 'B'],
      ['a.ko', 'A'],
    ],
  )
})

test('an order that names files elsewhere is refused', (t) => {
  for (const name of ['../../etc/passwd', '..', '/etc/passwd']) {
    const kernel = bzImage(t)
    put(join(dirname(kernel), 'order'), `${name}\n`)
    put(join(dirname(kernel), 'modules/a.ko'), 'A')
    t.throws(() => readModules(findModules(kernel)!), { name: 'UsageError', message: /is no name of a file/ }, name)
  }
})

test('of a distribution’s modules those are taken that we need, each after what it stands on, once', (t) => {
  const index = findModules(bzImage(t), distribution(t, FILES, DEP, BUILTIN))!
  const names = readModules(index).map(({ name }) => name)
  t.deepEqual([...names].sort(), [
    '9p.ko',
    '9pnet.ko',
    'erofs.ko',
    'virtio.ko',
    'virtio_blk.ko',
    'virtio_ring.ko',
    'vmw_vsock_virtio_transport.ko',
    'vsock.ko',
  ])
  const before = (one: string, other: string) => t.true(names.indexOf(one) < names.indexOf(other), `${one} ${other}`)
  before('virtio.ko', 'virtio_ring.ko')
  before('virtio_ring.ko', 'virtio_blk.ko')
  before('vsock.ko', 'vmw_vsock_virtio_transport.ko')
  before('9pnet.ko', '9p.ko')
})

test('a module that is needed and neither there nor built in is named', (t) => {
  const index = findModules(bzImage(t), distribution(t, FILES, DEP, 'kernel/overlay.ko\n'))!
  t.throws(() => readModules(index), { name: 'UsageError', message: /no module virtio_mmio/ })
})

test('modules that stand on each other in a circle end the search', (t) => {
  const dep = DEP.replace('kernel/virtio.ko:\n', 'kernel/virtio.ko: kernel/virtio_ring.ko\n')
  const index = findModules(bzImage(t), distribution(t, FILES, dep, BUILTIN))!
  t.is(readModules(index).length, 8)
})

test('packed modules are unpacked', (t) => {
  const tools = [
    ['.gz', (bytes: Buffer) => gzipSync(bytes)],
    ['.xz', (bytes: Buffer) => execFileSync('xz', ['-c'], { input: bytes })],
    ['.zst', (bytes: Buffer) => execFileSync('zstd', ['-c'], { input: bytes, stdio: ['pipe', 'pipe', 'ignore'] })],
  ] as const
  for (const [ending, pack] of tools) {
    if (ending !== '.gz' && spawnSync(ending === '.xz' ? 'xz' : 'zstd', ['--version']).status !== 0) continue
    const files = Object.fromEntries(
      Object.entries(FILES).map(([name, content]) => [`${name}${ending}`, pack(Buffer.from(content))]),
    )
    const root = distribution(t, files, DEP.replaceAll('.ko', `.ko${ending}`), BUILTIN)
    const erofs = readModules(findModules(bzImage(t), root)!).find(({ name }) => name === 'erofs.ko')
    t.is(Buffer.from(erofs!.bytes).toString(), "erofs's code", ending)
  }
})

test('a kernel without any modules has all it needs built in', (t) => {
  const kernel = bzImage(t)
  t.is(findModules(kernel, temporaryDirectory(t)), undefined)
  writeFileSync(kernel, readFileSync('/bin/busybox').subarray(0, 4096))
  t.is(findModules(kernel), undefined)
})
