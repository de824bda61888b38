import test from 'ava'
import fc from 'fast-check'
import { instanceCgroup, parseFlatKeyed } from '../../src/host/cgroup.ts'
import { cgroupLayout, parseCgroupMounts } from '../../src/host/cgroup-layout.ts'

const V1_LINES = [
  '30 24 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755',
  '31 30 0:27 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd',
  '32 30 0:28 / /sys/fs/cgroup/memory rw,nosuid shared:12 - cgroup cgroup rw,memory',
  '33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:13 - cgroup cgroup rw,cpu,cpuacct',
  '34 30 0:30 / /sys/fs/cgroup/pids rw,nosuid shared:14 - cgroup cgroup rw,pids',
]
const UNIFIED_LINE = '35 30 0:31 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate'
const V2_LINE = '25 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate'
const ROOT_LINE = '1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw'

const layoutOf = (...lines: string[]) => cgroupLayout(parseCgroupMounts([ROOT_LINE, ...lines, ''].join('\n')))

test('a v1 host has one hierarchy per controller, several controllers may share one', (t) => {
  const { kind, mounts } = layoutOf(...V1_LINES)
  t.is(kind, 'v1')
  t.deepEqual(
    mounts.map(({ mountPoint, controllers }) => [mountPoint, controllers]),
    [
      ['/sys/fs/cgroup/systemd', ['name=systemd']],
      ['/sys/fs/cgroup/memory', ['memory']],
      ['/sys/fs/cgroup/cpu,cpuacct', ['cpu', 'cpuacct']],
      ['/sys/fs/cgroup/pids', ['pids']],
    ],
  )
})

test('v1 hierarchies beside a v2 tree make a hybrid host', (t) => {
  t.is(layoutOf(...V1_LINES, UNIFIED_LINE).kind, 'hybrid')
})

test('a single cgroup2 mount makes a v2 host, and no cgroup mount makes none', (t) => {
  t.is(layoutOf(V2_LINE).kind, 'v2')
  t.is(layoutOf().kind, 'none')
})

test('a hierarchy that is mounted a second time counts once', (t) => {
  const again = '90 1 0:28 / /elsewhere/memory rw - cgroup cgroup rw,memory'
  t.is(layoutOf(...V1_LINES, again).mounts.length, layoutOf(...V1_LINES).mounts.length)
})

test('on v2 a leaf lies one level below a group that keeps its events, and all of it in the group delegated to us', (t) => {
  const place = { key: 'web-1', leaf: 'program', parent: '/user.slice' }
  t.is(instanceCgroup(layoutOf(V2_LINE), place).path, '/user.slice/cloister-web-1/program')
  t.is(instanceCgroup(layoutOf(V2_LINE), { key: 'web-1' }).path, '/cloister-web-1')
  t.is(instanceCgroup(layoutOf(...V1_LINES), place).path, '/cloister-web-1')
})

test('a group that does not exist holds no process, no memory and nothing to remove', (t) => {
  const cgroup = instanceCgroup(layoutOf(V2_LINE), { key: 'of-nobody-at-all' })
  t.deepEqual(cgroup.limits(), {})
  t.is(cgroup.cpuTimeNs(), undefined)
  t.false(cgroup.freezer.isThere())
  t.deepEqual(cgroup.processes(), [])
  t.is(cgroup.memoryUse(), undefined)
  t.is(cgroup.outOfMemoryKills(), 0)
  t.deepEqual(cgroup.remove(), [])
})

test('the kill counter is read from memory.oom_control of v1 and memory.events of v2', (t) => {
  t.is(parseFlatKeyed('oom_kill_disable 0\nunder_oom 0\noom_kill 3\n', 'oom_kill'), 3)
  t.is(parseFlatKeyed('low 0\nhigh 0\nmax 41\noom 2\noom_kill 1\noom_group_kill 0\n', 'oom_kill'), 1)
  t.is(parseFlatKeyed(undefined, 'oom_kill'), 0)
})

const octal = (path: string) =>
  path.replace(/[\\ \t\n]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)

test('any mount point survives the octal escapes of mountinfo', (t) => {
  const name = fc.string({ unit: fc.constantFrom('a', '/', ' ', '\t', '\n', '\\', '-', ',', '0', '4') })
  fc.assert(
    fc.property(name, fc.array(fc.constantFrom('shared:1', 'master:2', 'unbindable')), (text, optional) => {
      const mountPoint = `/${text}`
      const fields = ['31', '30', '0:27', '/', octal(mountPoint), 'rw', ...optional, '-', 'cgroup', 'cgroup', 'rw,pids']
      const mounts = parseCgroupMounts(`${ROOT_LINE}\n${fields.join(' ')}\n`)
      t.deepEqual(mounts, [{ version: 1, mountPoint, controllers: ['pids'] }])
    }),
  )
})

test('no text makes the parsers throw', (t) => {
  const line = fc
    .array(fc.constantFrom('cgroup', 'cgroup2', '-', '/', 'rw', '\\04', '\\0401', '', 'oom_kill', '9'))
    .map((w) => w.join(' '))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(line).map((lines) => lines.join('\n')),
      ),
      (text) => {
        for (const { mountPoint } of parseCgroupMounts(text)) t.is(typeof mountPoint, 'string')
        t.true(Number.isSafeInteger(parseFlatKeyed(text, 'oom_kill')))
      },
    ),
  )
})
