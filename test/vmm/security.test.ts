import { spawnSync } from 'node:child_process'
import test from 'ava'
import type { NetworkSpec } from '../../src/instance/run-spec.ts'
import { MIB } from '../../src/memory/memory-map.ts'
import { packageRoot } from '../../src/paths.ts'
import { securityOfVm } from '../../src/vmm/security.ts'

const findings = securityOfVm({ memoryBytes: 64 * MIB, cpus: 1, group: undefined })
const line = (topic: string) => findings.find((one) => one.topic === topic)

test('what the guest is kept from stands, whoever runs the VMM', (t) => {
  for (const topic of ['boundary', 'kernel', 'system calls', 'files', 'processes', 'network']) {
    t.is(line(topic)?.state, 'on', topic)
  }
})

test('what the VMM is left with is said, not passed over: it is in no jail', (t) => {
  t.is(line('VMM system calls')?.state, 'off')
  t.regex(
    line('VMM privileges')?.detail ?? '',
    new RegExp(process.geteuid?.() === 0 ? 'is root' : `user ${process.geteuid?.()} `),
  )
  t.not(line('VMM privileges')?.state, 'on')
  t.not(line('VMM namespaces')?.state, 'on')
})

test('a network that the machine is on is named', (t) => {
  const on = (network: NetworkSpec) =>
    securityOfVm({ memoryBytes: MIB, cpus: 1, network, group: undefined }).find(({ topic }) => topic === 'network')
  t.is(on({ kind: 'none' })?.state, 'on')
  t.like(on({ kind: 'tap', name: 'tap0' }), { state: 'partial' })
  t.regex(on({ kind: 'network', name: 'n1' })?.detail ?? '', /"n1", which sends from its own address only/)
})

test('a disk of the host is no copy in memory: each is named, with what the guest may do to it', (t) => {
  const disks = [
    { path: '/srv/data.img', readOnly: false },
    { path: '/srv/base.img', readOnly: true },
    { path: '/srv/root.img', readOnly: false, copyOnWrite: true },
  ]
  const files = securityOfVm({ memoryBytes: MIB, cpus: 1, disks, group: undefined }).find(
    ({ topic }) => topic === 'files',
  )
  t.is(files?.state, 'partial')
  t.regex(files?.detail ?? '', /reads and writes \/srv\/data\.img; reads \/srv\/base\.img, \/srv\/root\.img$/)
  const oneDisk = securityOfVm({ memoryBytes: MIB, cpus: 1, disks: disks.slice(1, 2), group: undefined })
  t.notRegex(oneDisk.find(({ topic }) => topic === 'files')?.detail ?? '', /writes/)
})

test('a disk that holds what differs from another names that one too', (t) => {
  const disks = [{ path: '/srv/diff.img', readOnly: false, base: '/srv/base.img' }]
  const files = securityOfVm({ memoryBytes: MIB, cpus: 1, disks, group: undefined }).find(
    ({ topic }) => topic === 'files',
  )
  t.regex(files?.detail ?? '', /reads and writes \/srv\/diff\.img; reads \/srv\/base\.img$/)
})

test('sockets between guest and host are told of where there are any', (t) => {
  t.is(line('host sockets'), undefined)
  const found = securityOfVm({ memoryBytes: MIB, cpus: 1, vsock: true, group: undefined })
  t.is(found.find(({ topic }) => topic === 'host sockets')?.state, 'partial')
})

test('a limit is claimed only where a control group has it', (t) => {
  t.like(line('memory'), { state: 'partial' })
  t.like(line('processor'), { state: 'partial' })
  t.regex(line('memory')?.detail ?? '', /joined no control group/)
})

const namespaceTest = process.geteuid?.() === 0 ? test : test.skip

namespaceTest('a namespace that it does not share with whoever started it is seen as its own', (t) => {
  const script = `
    const { securityOfVm } = await import(${JSON.stringify(new URL('../../src/vmm/security.js', import.meta.url))})
    const found = securityOfVm({ memoryBytes: 1, cpus: 1, group: undefined })
    console.log(JSON.stringify(found.find(({ topic }) => topic === 'VMM namespaces')))`
  const node = [process.execPath, '--input-type=module', '-e', script]
  const { stdout, stderr } = spawnSync('unshare', ['--net', ...node], { encoding: 'utf8', cwd: packageRoot })
  t.like(JSON.parse(stdout || 'null') ?? { stderr }, {
    state: 'partial',
    detail: "its own: net; the others are the caller's",
  })
})

test('the directories of the host that a guest may read or write are named', (t) => {
  const volumes = [
    { source: '/srv/data', target: '/data', readOnly: false },
    { source: '/srv/conf', target: '/conf', readOnly: true },
  ]
  const files = securityOfVm({ memoryBytes: MIB, cpus: 1, volumes, group: undefined }).find(
    ({ topic }) => topic === 'files',
  )
  t.is(files?.state, 'partial')
  t.regex(files?.detail ?? '', /; of the host's directories it reads and writes \/srv\/data; reads \/srv\/conf$/)
})
