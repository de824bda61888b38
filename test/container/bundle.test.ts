import test from 'ava'
import { CAPABILITIES, ociConfig, PIDS_LIMIT } from '../../src/container/bundle.ts'
import { readOnlyFile } from '../../src/container/mounts.ts'
import type { RunSpec } from '../../src/instance/run-spec.ts'

const spec: RunSpec = {
  name: 'web',
  isolation: 'container',
  source: { kind: 'program', hostPath: '/home/me/prog', path: '/home/me/prog' },
  program: '/home/me/prog',
  argv: ['./prog', '-v', 'two words'],
  env: ['PATH=/bin', 'X=1'],
  cwd: '/tmp',
  memoryBytes: 64 * 2 ** 20,
  cpus: 1.5,
  interactive: false,
}
const facts = {
  root: '/run/x/root',
  mounts: [readOnlyFile('/home/me/prog', '/home/me/prog')],
  streams: [{ letter: 'n' }, { letter: 'p', fd: 1 }, { letter: 'k', fd: 2 }],
  cgroupsPath: '/cloister-web',
  openFilesMax: 4096,
  rlimits: [],
}
const config = ociConfig(spec, facts)

test('the process is our init, told what the spec says: streams, file, arguments, environment, directory', (t) => {
  t.deepEqual(config.process.args, ['/dev/.cloister-init', 'npk', '/home/me/prog', './prog', '-v', 'two words'])
  t.deepEqual(config.process.env, ['PATH=/bin', 'X=1'])
  t.is(config.process.cwd, '/tmp')
  t.is(config.process.terminal, false)
  t.is(config.hostname, 'web')
})

test('the process gains no privileges and keeps ten capabilities, none of them inheritable or ambient', (t) => {
  t.true(config.process.noNewPrivileges)
  t.deepEqual(Object.keys(config.process.capabilities).sort(), ['bounding', 'effective', 'permitted'])
  for (const set of Object.values(config.process.capabilities)) t.is(set, CAPABILITIES)
  const docker =
    'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
  const allowed = new Set(docker.split(' ').map((name) => `CAP_${name}`))
  t.deepEqual(
    CAPABILITIES.filter((name) => !allowed.has(name)),
    [],
  )
})

test('it has namespaces of its own for everything that a host shows', (t) => {
  t.deepEqual(config.linux.namespaces.map(({ type }) => type).sort(), [
    'cgroup',
    'ipc',
    'mount',
    'network',
    'pid',
    'uts',
  ])
})

test('memory is limited with no swap on top, processors by quota, processes by number', (t) => {
  const { memory, cpu, pids, devices } = config.linux.resources!
  t.deepEqual(memory, { limit: 67_108_864, swap: 67_108_864 })
  t.deepEqual(cpu, { quota: 150_000, period: 100_000 })
  t.deepEqual(pids, { limit: PIDS_LIMIT })
  t.deepEqual(devices, [{ allow: false, access: 'rwm' }])
})

test('open files are limited by what we may have ourselves, and there are no core dumps', (t) => {
  t.deepEqual(config.process.rlimits, [
    { type: 'RLIMIT_NOFILE', soft: 1024, hard: 4096 },
    { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
  ])
  t.like(ociConfig(spec, { ...facts, openFilesMax: 256 }).process.rlimits[0], { soft: 256, hard: 256 })
})

test('a parent directory is mounted before what lies in it', (t) => {
  const destinations = config.mounts.map(({ destination }) => destination)
  for (const [index, destination] of destinations.entries()) {
    const later = destinations.slice(index + 1)
    t.false(
      later.some((other) => destination.startsWith(`${other}/`)),
      destination,
    )
  }
})

test('everything that is mounted ignores set-user-ID bits, /sys is read-only, and so is the program', (t) => {
  for (const { destination, options } of config.mounts) t.true(options.includes('nosuid'), destination)
  t.true(config.mounts.find(({ destination }) => destination === '/sys')?.options.includes('ro'))
  t.deepEqual(config.mounts.at(-1), {
    destination: '/home/me/prog',
    type: 'bind',
    source: '/home/me/prog',
    options: ['bind', 'ro', 'nosuid', 'nodev'],
  })
})

test('shared memory takes no more than files may, not half of the host', (t) => {
  const shm = config.mounts.find(({ destination }) => destination === '/dev/shm')
  t.true(shm?.options.includes(`size=${32 * 2 ** 20}`))
})

test('memory of the host, its keys and its firmware are hidden, its settings read-only', (t) => {
  t.true(
    ['/proc/kcore', '/proc/keys', '/proc/slabinfo', '/proc/kpageflags', '/sys/firmware'].every((path) =>
      config.linux.maskedPaths.includes(path as never),
    ),
  )
  t.true(['/proc/sys', '/proc/sysrq-trigger'].every((path) => config.linux.readonlyPaths.includes(path as never)))
})
