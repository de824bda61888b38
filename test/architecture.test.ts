import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/**
 * Which folders a folder may import; everything may import the leaves. Arrows point down: a name that is not in the
 * row is a forbidden arrow. `instance` holds what the levels share, `levels` is src/levels.ts.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  cli: [
    'archive',
    'bench',
    'compare',
    'report',
    'doctor',
    'holder',
    'control',
    'levels',
    'snapshot',
    'network',
    'host',
    'instance',
    'image',
    'kvm-bindings',
  ],
  holder: ['control', 'levels', 'instance', 'kvm-bindings'],
  archive: [],
  control: ['instance', 'kvm-bindings'],
  report: ['bench', 'compare', 'instance'],
  bench: ['compare', 'image', 'instance', 'backends', 'memory', 'kvm-bindings'],
  compare: ['doctor', 'host', 'instance', 'image', 'container', 'kvm-bindings'],
  doctor: ['container', 'microvm', 'network', 'host', 'instance', 'kvm-bindings'],
  levels: ['container', 'unikernel', 'microvm', 'vmm', 'snapshot', 'instance', 'kvm-bindings'],
  container: ['network', 'backends', 'host', 'instance', 'image', 'kvm-bindings'],
  microvm: [
    'agent',
    'snapshot',
    'vmm',
    'network',
    'machine',
    'devices',
    'backends',
    'image',
    'host',
    'instance',
    'memory',
    'virtio',
    'kvm-bindings',
  ],
  unikernel: [
    'snapshot',
    'vmm',
    'machine',
    'devices',
    'backends',
    'image',
    'host',
    'instance',
    'memory',
    'virtio',
    'kvm-bindings',
  ],
  vmm: ['network', 'machine', 'devices', 'backends', 'host', 'instance', 'memory', 'virtio', 'kvm-bindings'],
  agent: ['backends', 'instance'],
  snapshot: ['machine', 'backends', 'host', 'instance', 'memory', 'virtio', 'kvm-bindings'],
  network: ['host', 'instance', 'kvm-bindings'],
  machine: ['devices', 'virtio', 'backends', 'boot', 'bus', 'memory', 'image', 'kvm-bindings'],
  devices: ['virtio', 'bus', 'memory', 'backends'],
  virtio: ['memory', 'bus'],
  backends: ['memory', 'kvm-bindings'],
  boot: ['memory', 'kvm-bindings'],
  image: ['instance', 'memory'],
  host: [],
  instance: [],
  memory: ['kvm-bindings'],
  bus: [],
  'kvm-bindings': [],
}

/** Everyone may import these; they import each other at most. */
const LEAVES = [
  'src/errors.ts',
  'src/json-checks.ts',
  'src/duration.ts',
  'src/log.ts',
  'src/paths.ts',
  'src/version.ts',
  'src/trace-output.ts',
]

/** Narrow doors: of these folders only types, or only the files named. */
const NARROW = [
  { from: 'devices', to: 'backends', files: [] },
  { from: 'boot', to: 'kvm-bindings', files: ['kvm-bindings/layout.ts'] },
  { from: 'report', to: 'bench', files: [] },
  {
    from: 'report',
    to: 'compare',
    files: ['src/compare/compared.ts', 'src/compare/slope.ts', 'src/compare/statistics.ts'],
  },
] as const

interface Import {
  readonly from: string
  readonly to: string
  /** `import type`: gone before anything runs. */
  readonly typeOnly: boolean
  readonly dynamic: boolean
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((entry) => {
    const path = join(folder, entry)
    if (statSync(join(ROOT, path)).isDirectory()) return sourceFiles(path)
    return path.endsWith('.ts') ? [path] : []
  })
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?[^'"();]*?from\s+'([^']+)'|(?:^|\n)\s*import\s+'([^']+)'|import\('([^']+)'\)/g

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(IMPORT)].map(([, type, named, bare, dynamic]) => ({
    from: file,
    to: (named ?? bare ?? dynamic)!,
    typeOnly: type !== undefined,
    dynamic: dynamic !== undefined,
  }))
}

const files = [...sourceFiles('src'), ...sourceFiles('kvm-bindings')]
const imports = files.flatMap(importsOf)
const local = imports
  .filter(({ to }) => to.startsWith('.'))
  .map((one) => ({ ...one, to: relative(ROOT, resolve(ROOT, dirname(one.from), one.to)) }))

/** `src/virtio/queue.ts` is of the folder `virtio`, `src/levels.ts` of `levels`. */
function folderOf(file: string): string {
  const [top, second = ''] = file.split('/')
  return top === 'kvm-bindings' ? top : second.replace(/\.ts$/, '')
}

test('every file of the sources is found, and so are their imports', (t) => {
  t.true(files.length > 50)
  t.true(local.length > files.length)
  t.true(local.some(({ dynamic }) => dynamic))
})

test('imports point down: no folder imports one above it', (t) => {
  const forbidden = local.filter(({ from, to }) => {
    if (LEAVES.includes(to) || folderOf(from) === folderOf(to)) return false
    if (LEAVES.includes(from)) return true
    return !ALLOWED[folderOf(from)]?.includes(folderOf(to))
  })
  t.deepEqual(
    forbidden.map(({ from, to }) => `${folderOf(from)} -> ${folderOf(to)}: ${from} imports ${to}`),
    [],
  )
})

for (const { from, to, files } of NARROW) {
  test(`${from} take nothing from ${to} but types${files.map((file) => ` and ${file}`).join('')}`, (t) => {
    const forbidden = local.filter(
      (one) =>
        folderOf(one.from) === from &&
        folderOf(one.to) === to &&
        !one.typeOnly &&
        !files.some((file: string) => file === one.to),
    )
    t.deepEqual(
      forbidden.map((one) => `${one.from} imports ${one.to}`),
      [],
    )
  })
}

test('only kvm-bindings/ffi.ts imports koffi', (t) => {
  const importers = files.filter((file) =>
    /(?:from|import|require)[ (]\s*'(?:koffi|@koromix\/[^']*)'/.test(readFileSync(join(ROOT, file), 'utf8')),
  )
  t.deepEqual(importers, ['kvm-bindings/ffi.ts'])
})

test('only report/svg.ts imports the chart library, and nothing but the command line imports a page', (t) => {
  const importers = imports.filter(({ to }) => to.startsWith('echarts')).map(({ from }) => from)
  t.deepEqual([...new Set(importers)], ['src/report/svg.ts'])
  const pages = local.filter(({ from, to }) => folderOf(to) === 'report' && folderOf(from) !== 'report')
  t.deepEqual(
    pages.filter(({ from, dynamic }) => folderOf(from) !== 'cli' || !dynamic).map(({ from }) => from),
    [],
  )
  // The bundler knows these names: any other would pull the library into the command (scripts/bundle.js).
  for (const { to } of pages) t.regex(to, /report\/(report|comparison-page|bench-page)\.ts$/)
})

test('devices, virtio and the bus know no file, no process and no KVM', (t) => {
  const forbidden = imports.filter(
    ({ from, to }) =>
      ['devices', 'virtio', 'bus'].includes(folderOf(from)) && (to.startsWith('node:') || to.includes('kvm-bindings')),
  )
  t.deepEqual(
    forbidden.map(({ from, to }) => `${from} imports ${to}`),
    [],
  )
})

test('only the command line ends the process or writes to its streams', (t) => {
  const offenders = files.filter((file) => {
    if (file.startsWith('src/cli/') || file === 'src/levels.ts') return false
    return /process\.(exit|reallyExit|abort)\(|console\.(log|info|warn|error|debug)\(|process\.std(out|err)\.write/.test(
      readFileSync(join(ROOT, file), 'utf8'),
    )
  })
  t.deepEqual(offenders, [])
})

test('no two files import each other, not even over others', (t) => {
  const next = new Map<string, string[]>()
  for (const { from, to, typeOnly, dynamic } of local) {
    if (!typeOnly && !dynamic) next.set(from, [...(next.get(from) ?? []), to])
  }
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    const seen = path.indexOf(file)
    if (seen !== -1) cycles.push([...path.slice(seen), file].join(' -> '))
    if (seen !== -1 || done.has(file)) return
    for (const to of next.get(file) ?? []) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  t.deepEqual(cycles, [])
})
