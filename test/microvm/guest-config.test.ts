import test from 'ava'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { execProcess, mainProcess } from '../../src/microvm/agent-process.ts'
import { guestConfig } from '../../src/microvm/guest-config.ts'

const SPEC: RunSpec = {
  name: 'web',
  isolation: 'microvm',
  source: { kind: 'program', hostPath: '/bin/sh', path: '/bin/sh' },
  program: '/bin/sh',
  argv: ['sh'],
  env: ['PATH=/bin', 'A=1'],
  cwd: '/srv',
  user: { uid: 5, gid: 6 },
  memoryBytes: 128 * 2 ** 20,
  cpus: 1,
  interactive: true,
}
const root = { bytes: 4096 }

test('a guest learns its name, the time, where its root is, and random bytes that no other one gets', (t) => {
  const before = BigInt(Date.now()) * 1_000_000n
  const [one, two] = [guestConfig(SPEC, { root }, false), guestConfig(SPEC, { root }, false)]
  t.like(one, { hostname: 'web', loopback: true, root: { serial: 'cloister-root', bytes: 4096 } })
  t.true(one.clock! >= before && one.clock! - before < 60_000_000_000n)
  t.true(one.entropy!.length >= 32)
  t.notDeepEqual(one.entropy, two.entropy)
  t.is(one.network, undefined)
})

test('an address on a network is said in the words of an interface', (t) => {
  const network = {
    mac: Uint8Array.of(2, 0, 0x0a, 77, 0xff, 1),
    address: { address: '10.77.0.2', netmask: '255.255.240.0', gateway: '10.77.0.1' },
  }
  t.deepEqual(guestConfig(SPEC, { root, network }, false).network, {
    mac: '02:00:0a:4d:ff:01',
    address: '10.77.0.2',
    prefix: 20,
    gateway: '10.77.0.1',
  })
})

test('a guest that booted with other disks is told the sizes of these', (t) => {
  const disks = [{ disk: { bytes: 512 } }, { disk: { bytes: 1024 } }] as unknown as Parameters<
    typeof guestConfig
  >[1]['disks']
  t.deepEqual(guestConfig(SPEC, { root, disks: disks! }, true).disks, [
    { device: 'vda', bytes: 512 },
    { device: 'vdb', bytes: 1024 },
  ])
  t.deepEqual(guestConfig(SPEC, { root, disks: disks! }, false).disks, [])
})

test('a further program is as the first one where nothing else is said of it', (t) => {
  const asked = { argv: ['id'], env: ['A=2', 'B=3'], interactive: false }
  const { env, ...rest } = execProcess(SPEC, asked)
  // One of ours may come first: vector-registers.ts.
  t.deepEqual(env.slice(-3), ['PATH=/bin', 'A=2', 'B=3'])
  t.deepEqual(rest, {
    argv: ['id'],
    cwd: '/srv',
    user: { uid: 5, gid: 6 },
    interactive: false,
  })
  const other = execProcess(SPEC, { ...asked, cwd: '/', user: { uid: 0, gid: 0 }, tty: { cols: 1, rows: 2 } })
  t.like(other, { cwd: '/', user: { uid: 0, gid: 0 }, tty: { cols: 1, rows: 2 } })
  t.like(execProcess(SPEC, { ...asked, argv: ['/etc'], tool: 'copy-out' }), { tool: true, argv: ['copy-out', '/etc'] })
})

test('the first program is the one whose end is the instance’s', (t) => {
  t.like(mainProcess(SPEC, { cols: 80, rows: 24 }), {
    main: true,
    program: '/bin/sh',
    interactive: true,
    tty: undefined,
  })
  t.deepEqual(mainProcess({ ...SPEC, tty: true }, { cols: 9, rows: 8 }).tty, { cols: 9, rows: 8 })
})

test('a guest finds its own name in /etc, and on a network those of others', (t) => {
  const address = { address: '10.77.0.2', netmask: '255.255.240.0', gateway: '10.77.0.1' }
  const network = { mac: Uint8Array.of(2, 0, 0x0a, 77, 0xff, 1), address }
  const files = (spec: Partial<RunSpec>, place?: typeof network) =>
    (guestConfig({ ...SPEC, ...spec }, { root, network: place }, false).files ?? []).map(({ path, text }) => [
      path,
      text,
    ])
  t.deepEqual(files({}), [['/etc/hostname', 'web\n']])
  t.deepEqual(files({}, network), [
    ['/etc/hostname', 'web\n'],
    ['/etc/hosts', '127.0.0.1\tlocalhost\n10.77.0.2\tweb\n'],
  ])
  // What is in a directory of the host is not written by anybody who only starts.
  const volume = (target: string) => ({ volumes: [{ source: '/srv', target, readOnly: false }] })
  t.deepEqual(files(volume('/etc'), network), [])
  t.deepEqual(files(volume('/etc/hosts'), network), [['/etc/hostname', 'web\n']])
  t.is(files(volume('/etc/host'), network).length, 2)
})
