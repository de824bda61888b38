/** What the files of a control group say, in both versions: a tree of ordinary files stands in for the kernel's. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { instanceCgroup } from '../../src/host/cgroup.ts'
import { freezerOf } from '../../src/host/cgroup-freezer.ts'
import type { CgroupLayout } from '../../src/host/cgroup-layout.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

function write(directory: string, files: Record<string, string>): void {
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
}

function version1(t: ExecutionContext, files: Record<string, Record<string, string>>) {
  const root = temporaryDirectory(t)
  const layout: CgroupLayout = {
    kind: 'v1',
    mounts: Object.keys(files).map((name) => ({ version: 1, mountPoint: join(root, name), controllers: [name] })),
  }
  for (const [name, content] of Object.entries(files)) write(join(root, name, 'cloister-x'), content)
  return instanceCgroup(layout, { key: 'x' })
}

function version2(t: ExecutionContext, files: Record<string, string>) {
  const mountPoint = temporaryDirectory(t)
  write(join(mountPoint, 'cloister-x/program'), files)
  const layout: CgroupLayout = { kind: 'v2', mounts: [{ version: 2, mountPoint, controllers: [] }] }
  return instanceCgroup(layout, { key: 'x', leaf: 'program' })
}

test('version 1 counts in files of each controller', (t) => {
  const cgroup = version1(t, {
    memory: {
      'memory.usage_in_bytes': '5000000\n',
      'memory.stat': 'cache 9\ninactive_file 7\ntotal_inactive_file 1000000\n',
      'memory.limit_in_bytes': '67108864\n',
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
    },
    cpu: { 'cpu.cfs_quota_us': '150000\n', 'cpu.cfs_period_us': '100000\n' },
    cpuacct: { 'cpuacct.usage': '123456789\n' },
    pids: { 'pids.max': '512\n', 'cgroup.procs': '10\n11\n' },
  })
  t.is(cgroup.memoryUse(), 4_000_000)
  t.is(cgroup.cpuTimeNs(), 123_456_789)
  t.is(cgroup.outOfMemoryKills(), 2)
  t.deepEqual(cgroup.processes(), [10, 11])
  t.deepEqual(cgroup.limits(), { memoryBytes: 67_108_864, cpus: 1.5, tasks: 512 })
})

test('version 2 counts in one directory', (t) => {
  const cgroup = version2(t, {
    'memory.current': '5000000\n',
    'memory.stat': 'anon 3\ninactive_file 1000000\n',
    'memory.max': '67108864\n',
    'cpu.stat': 'usage_usec 5000\nuser_usec 4000\n',
    'cpu.max': '50000 100000\n',
    'pids.max': '512\n',
    // 0 is a process that this pid namespace cannot name; to kill that is to kill one's own process group.
    'cgroup.procs': '0\n7\n0\n',
  })
  t.is(cgroup.memoryUse(), 4_000_000)
  t.is(cgroup.cpuTimeNs(), 5_000_000)
  t.deepEqual(cgroup.processes(), [7])
  t.deepEqual(cgroup.limits(), { memoryBytes: 67_108_864, cpus: 0.5, tasks: 512 })
})

test('no limit is no number, in the words of either version', (t) => {
  const one = version1(t, {
    memory: { 'memory.limit_in_bytes': '9223372036854771712\n' },
    cpu: { 'cpu.cfs_quota_us': '-1\n', 'cpu.cfs_period_us': '100000\n' },
    pids: { 'pids.max': 'max\n' },
  })
  t.deepEqual(one.limits(), {})
  t.deepEqual(version2(t, { 'memory.max': 'max\n', 'cpu.max': 'max 100000\n', 'pids.max': 'max\n' }).limits(), {})
})

const mountOf = (t: ExecutionContext, version: 1 | 2) => ({
  version,
  mountPoint: temporaryDirectory(t),
  controllers: [],
})

test('freezing ends when the kernel says that all of it stands, not when it was asked to', async (t) => {
  const mount = mountOf(t, 2)
  const at = (file: string) => join(mount.mountPoint, 'g', file)
  write(join(mount.mountPoint, 'g'), { 'cgroup.freeze': '0', 'cgroup.events': 'populated 1\nfrozen 0\n' })
  const freezer = freezerOf(mount, '/g')
  t.true(freezer.isThere())
  let frozen = false
  const freezing = freezer.freeze().then(() => {
    frozen = true
  })
  t.is(readFileSync(at('cgroup.freeze'), 'utf8'), '1')
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.false(frozen)
  writeFileSync(at('cgroup.events'), 'populated 1\nfrozen 1\n')
  await freezing
  t.true(freezer.isFrozen())
  freezer.thaw()
  t.is(readFileSync(at('cgroup.freeze'), 'utf8'), '0')
})

test('a freeze that is overtaken by a thaw gives way and does not freeze again', async (t) => {
  const mount = mountOf(t, 1)
  const state = join(mount.mountPoint, 'g/freezer.state')
  write(join(mount.mountPoint, 'g'), { 'freezer.state': 'THAWED\n' })
  const freezer = freezerOf(mount, '/g')
  // The stand-in says "FROZEN" at once, where the kernel would say "FREEZING" first.
  await freezer.freeze()
  t.true(freezer.isFrozen())
  writeFileSync(state, 'FREEZING\n')
  const freezing = freezer.freeze()
  writeFileSync(state, 'FREEZING\n')
  freezer.thaw()
  await freezing
  t.is(readFileSync(state, 'utf8'), 'THAWED')
})

test('where there is no freezer, or no such group, freezing is refused and thawing is nothing', async (t) => {
  for (const freezer of [freezerOf(undefined, '/g'), freezerOf(mountOf(t, 1), '/g'), freezerOf(mountOf(t, 2), '/g')]) {
    t.false(freezer.isThere())
    t.notThrows(() => freezer.thaw())
    await t.throwsAsync(freezer.freeze(), { message: /^Cannot freeze the control group \/g: / })
  }
})

test('a memory limit is set in version 1 with that of memory and swap together, where the kernel counts it', (t) => {
  const memory = { 'memory.limit_in_bytes': '67108864\n', 'memory.memsw.limit_in_bytes': '67108864\n' }
  for (const bytes of [134_217_728, 33_554_432]) {
    const root = temporaryDirectory(t)
    write(join(root, 'cloister-x'), memory)
    const layout: CgroupLayout = { kind: 'v1', mounts: [{ version: 1, mountPoint: root, controllers: ['memory'] }] }
    const cgroup = instanceCgroup(layout, { key: 'x' })
    cgroup.setMemoryLimit(bytes)
    t.is(cgroup.limits().memoryBytes, bytes)
    t.is(readFileSync(join(root, 'cloister-x/memory.memsw.limit_in_bytes'), 'utf8').trim(), String(bytes))
  }
  const unswapped = version1(t, { memory: { 'memory.limit_in_bytes': '67108864\n' } })
  t.notThrows(() => unswapped.setMemoryLimit(134_217_728))
})

test('a memory limit is set in version 2, and refused with the reason where there is none', (t) => {
  const cgroup = version2(t, { 'memory.max': 'max\n' })
  cgroup.setMemoryLimit(1 << 26)
  t.is(cgroup.limits().memoryBytes, 1 << 26)
  t.throws(() => version2(t, {}).setMemoryLimit(1 << 26), { name: 'HostError', message: /memory\.max gave ENOENT/ })
  const none = instanceCgroup({ kind: 'none', mounts: [] }, { key: 'x' })
  t.throws(() => none.setMemoryLimit(1 << 26), { name: 'HostError', message: /no memory controller/ })
})
