import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import test from 'ava'
import { parseVolumes } from '../../src/cli/parse-volumes.ts'
import { UsageError } from '../../src/errors.ts'
import { resolveSource } from '../../src/image/source.ts'
import { checkWorkingDirectory } from '../../src/image/working-directory.ts'

const base = mkdtempSync(join(tmpdir(), 'cloister-volumes-'))
const at = (name: string) => join(base, name)
for (const name of ['dir', 'dir/sub', 'a:b', 'state', 'state/data', 'state/data/x']) mkdirSync(at(name))
writeFileSync(at('file'), '')
symlinkSync(at('state/data'), at('link'))
execFileSync('mkfifo', [at('pipe')])
test.after.always(() => rmSync(base, { recursive: true }))

const parse = (...asked: string[]) => parseVolumes(asked, 'microvm')

test('a volume is a path of the host, one inside, and whether it can be written', (t) => {
  t.deepEqual(parse(`${at('dir')}:/data`), [{ source: at('dir'), target: '/data', readOnly: false }])
  t.deepEqual(parse(`${at('dir')}:/data:ro`), [{ source: at('dir'), target: '/data', readOnly: true }])
  t.deepEqual(parse(`${at('dir')}:/data:rw`), [{ source: at('dir'), target: '/data', readOnly: false }])
  t.deepEqual(parse(`${at('file')}:/etc//x/./conf/`), [{ source: at('file'), target: '/etc/x/conf', readOnly: false }])
})

test('a relative source is taken from the working directory, and a source may have colons', (t) => {
  const [near] = parse(`${relative(process.cwd(), at('dir'))}:/data`)
  t.is(near?.source, at('dir'))
  t.is(parse(`${at('a:b')}:/data:ro`)[0]?.source, at('a:b'))
})

test('outer directories come first, whatever the order they were asked for in', (t) => {
  const all = parse(`${at('dir')}:/a/b/c`, `${at('dir')}:/z`, `${at('dir')}:/a`, `${at('dir')}:/a/b`)
  t.deepEqual(
    all.map(({ target }) => target),
    ['/z', '/a', '/a/b', '/a/b/c'],
  )
})

for (const [asked, reason] of [
  ['', /does not say/],
  [at('dir'), /does not say/],
  [`${at('dir')}:data`, /does not say/],
  [':/data', /does not say/],
  [`${at('dir')}:/`, /whole root/],
  [`${at('dir')}://.`, /whole root/],
  [`${at('dir')}:/a/../b`, /upwards/],
  [`${at('dir')}:/data:z`, /no option "z"/],
  [`${at('dir')}:/data:`, /no option ""/],
  [`${at('dir')}:/proc`, /\/proc inside is the kernel’s|\/proc inside is the kernel's/],
  [`${at('dir')}:/dev/shm`, /\/dev inside/],
  [`${at('none')}:/data`, /no such file/],
  [`${at('pipe')}:/data`, /a FIFO/],
  ['/dev/null:/data', /a device/],
] as const)
  test(`"${asked.replace(base, '')}" is refused as a volume`, (t) => {
    t.throws(() => parse(asked), { instanceOf: UsageError, message: reason })
  })

test('two volumes are not at the same place, and there are so many and no more', (t) => {
  t.throws(() => parse(`${at('dir')}:/data`, `${at('file')}:/data/`), { message: /same place/ })
  const nine = Array.from({ length: 9 }, (_, index) => `${at('dir')}:/data${index}`)
  t.throws(() => parse(...nine), { message: /room for 8/ })
  t.is(parse(...nine.slice(1)).length, 8)
  t.is(parseVolumes(nine.slice(1), 'microvm', 4).length, 8)
  t.throws(() => parseVolumes(nine.slice(1), 'microvm', 5), { message: /room for 12 of both/ })
  t.deepEqual(parseVolumes([], 'microvm', 8), [])
})

test('a unikernel is refused a volume, and told what has them', (t) => {
  const error = t.throws(() => parseVolumes([`${at('dir')}:/data`], 'unikernel'), { instanceOf: UsageError })
  t.regex(error?.message ?? '', /unikernel.*its own memory/)
  t.regex((error as UsageError).hint ?? '', /microvm or container/)
  t.deepEqual(parseVolumes([], 'unikernel'), [])
})

test.serial('where Cloister keeps its own state is not shared, nor by a link', (t) => {
  const before = process.env.CLOISTER_ROOT
  process.env.CLOISTER_ROOT = at('state')
  try {
    for (const source of ['state/data', 'state/data/x', 'link'])
      t.throws(() => parse(`${at(source)}:/data`), { message: /keeps its own state/ }, source)
    t.notThrows(() => parse(`${at('dir')}:/data`))
  } finally {
    if (before === undefined) delete process.env.CLOISTER_ROOT
    else process.env.CLOISTER_ROOT = before
  }
})

test('the working directory may be in a volume, if it is there', (t) => {
  const source = { kind: 'program', hostPath: '/bin/true', path: '/bin/true' } as const
  const volumes = parse(`${at('dir')}:/src`, `${at('file')}:/conf`)
  t.notThrows(() => checkWorkingDirectory(source, '/src', volumes))
  t.notThrows(() => checkWorkingDirectory(source, '/src/sub', volumes))
  t.throws(() => checkWorkingDirectory(source, '/src/none', volumes), { message: /there is no/ })
  t.throws(() => checkWorkingDirectory(source, '/conf', volumes), { message: /is a file/ })
  t.throws(() => checkWorkingDirectory(source, '/srcs', volumes), { message: /no such directory/ })
})

test('a program of a root directory may be in a volume, and not of another place that has its name', (t) => {
  copyFileSync('/bin/busybox', at('dir/tool'))
  const request = {
    isolation: 'microvm',
    rootfs: at('state'),
    searchPath: '/bin',
    volumes: parse(`${at('dir')}:/opt`),
  } as const
  for (const [program, cwd] of [
    ['/opt/tool', '/'],
    ['./tool', '/opt'],
  ] as const)
    t.like(resolveSource({ ...request, cwd, operands: [program, 'x'] }), { program, argv: [program, 'x'] })
  for (const program of ['/opt/none', '/options/tool', 'tool'])
    t.throws(() => resolveSource({ ...request, cwd: '/', operands: [program] }), { name: 'UsageError' }, program)
})
