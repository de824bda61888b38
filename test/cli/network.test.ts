/** `cloister network`, and containers on networks, with real bridges. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { until } from '../helpers/detached.ts'
import { CONTAINERS, CONTAINERS_AND_VMS, namespaceOf, networkTest, type OwnHost, ownHost } from '../helpers/networks.ts'

const container = (network: string, ...rest: readonly string[]): string[] => [
  ...['run', '--isolation', 'container', '--net', network],
  ...rest,
]

const attached = (host: OwnHost, count: number): Promise<void> => until(() => host.leased().length === count)

/** A container that stays, and its address. */
async function resting(t: ExecutionContext, host: OwnHost, network: string, name: string): Promise<string> {
  const { status, stderr } = await host.cloister(...container(network, '-d', '--name', name, BUSYBOX, 'sleep', '600'))
  t.is(status, 0, stderr)
  const lease = host.store.leases(network).find(({ instance }) => instance === name)
  host.leased()
  return lease!.address
}

const ping = (network: string, address: string): string[] =>
  container(network, '--rm', BUSYBOX, 'ping', '-c', '1', '-W', '2', address)

networkTest('a network is a bridge with an address and a packet filter, and rm leaves nothing', async (t) => {
  const host = await ownHost(t)
  t.deepEqual(await host.cloister('network', 'create', 'n1', '--subnet', '10.77.0.0/24'), {
    ...{ status: 0, stdout: 'n1\n', stderr: '' },
  })
  t.regex(host.sh('ip -d -o link show cl-n1'), /\bUP\b.*bridge forward_delay 0 .*stp_state 0/s)
  t.regex(host.sh('ip link show cl-n1'), /alias cloister network n1/)
  t.regex(host.sh('ip -4 -o address show cl-n1'), /inet 10\.77\.0\.1\/24 brd 10\.77\.0\.255/)
  t.is(host.sh('ip -6 -o address show cl-n1'), '', 'IPv6 is off on it')
  t.regex(host.sh('nft list table ip cl-n1'), /iifname "cl-n1" drop/)
  const { stdout } = await host.cloister('network', 'ls', '--json')
  t.like(JSON.parse(stdout)[0], { name: 'n1', subnet: '10.77.0.0/24', gateway: '10.77.0.1', up: true, attached: 0 })
  t.is((await host.cloister('network', 'ls', '-q')).stdout, 'n1\n')
  t.is((await host.cloister('network', 'rm', 'n1')).stdout, 'n1\n')
  t.deepEqual(host.left(), [])
})

networkTest('without a subnet the first is taken that overlaps neither a network nor a route', async (t) => {
  const host = await ownHost(t)
  host.sh('ip link add d0 type bridge && ip link set d0 up && ip route add 10.77.0.0/23 dev d0')
  for (const name of ['n1', 'n2']) t.is((await host.cloister('network', 'create', name)).status, 0)
  t.deepEqual(
    host.store.list().map(({ subnet }) => subnet),
    ['10.77.2.0/24', '10.77.3.0/24'],
  )
  const taken = await host.cloister('network', 'create', 'n3', '--subnet', '10.77.1.0/24')
  t.regex(taken.stderr, /overlaps the route 10\.77\.0\.0\/23 of d0 on this host/)
  t.deepEqual(host.store.names(), ['n1', 'n2'])
})

networkTest('two that are created at once get a subnet each; of one name only one is made', async (t) => {
  const host = await ownHost(t)
  const names = ['a', 'b', 'c', 'a']
  const outcomes = await Promise.all(names.map((name) => host.cloister('network', 'create', name)))
  t.deepEqual(outcomes.map(({ status }) => status).sort(), [0, 0, 0, 125])
  t.is(new Set(host.store.list().map(({ subnet }) => subnet)).size, 3)
  t.is((await host.cloister('network', 'rm', 'a', 'b', 'c')).status, 0)
  t.deepEqual(host.left(), [])
})

networkTest('an interface that has the name already is left alone: the network takes another', async (t) => {
  const host = await ownHost(t)
  host.sh('ip link add cl-n1 type bridge')
  t.is((await host.cloister('network', 'create', 'n1')).status, 0)
  const { bridge } = host.store.read('n1')!
  t.regex(bridge, /^cl-[0-9a-f]{10}$/)
  t.is((await host.cloister('network', 'rm', 'n1')).status, 0)
  t.deepEqual(host.left(), ['cl-n1'])
})

networkTest('what the kernel refuses half-way is taken back, and said', async (t) => {
  const host = await ownHost(t)
  // A packet filter that cannot be replaced: another program owns it for as long as it lives.
  const owner = host.keep(`nft -i`, 'add table ip cl-n1 { flags owner; }\n')
  await until(() => host.sh('nft list tables').includes('cl-n1'))
  const { status, stderr } = await host.cloister('network', 'create', 'n1')
  t.is(status, 125)
  t.regex(stderr, /Cannot set up the packet filter of network "n1": .*Operation not permitted/)
  t.deepEqual(host.left(), ['table ip cl-n1'])
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  t.is((await host.cloister('network', 'create', 'n1')).status, 0)
  t.is((await host.cloister('network', 'rm', 'n1')).status, 0)
  t.deepEqual(host.left(), [])
})

networkTest('a network whose name another interface has by now is not used, and its removal spares that', async (t) => {
  const host = await ownHost(t)
  await host.cloister('network', 'create', 'n1')
  host.sh('ip link delete cl-n1; nft flush ruleset; ip link add cl-n1 type bridge; nft add table ip cl-n1')
  const { status, stderr } = await host.cloister(...container('n1', BUSYBOX, 'true'))
  t.is(status, 125)
  t.regex(stderr, /another interface has the name cl-n1/)
  t.is((await host.cloister('network', 'rm', 'n1')).status, 0)
  t.deepEqual(host.left(), ['cl-n1', 'table ip cl-n1'])
})

networkTest(
  'a bridge that is gone, as after a boot, and a packet filter that was flushed come back with the next instance',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1')
    host.sh('ip link delete cl-n1; nft flush ruleset')
    t.regex((await host.cloister('network', 'ls')).stdout, /^n1 .* down +0$/m)
    t.is((await host.cloister(...container('n1', '--rm', BUSYBOX, 'true'))).status, 0)
    t.regex(host.sh('nft list table ip cl-n1'), /drop/)
    host.sh('nft flush ruleset')
    t.is((await host.cloister(...container('n1', '--rm', BUSYBOX, 'true'))).status, 0)
    t.regex(host.sh('nft list table ip cl-n1'), /drop/)
    host.sh('ip link delete cl-n1')
    t.is((await host.cloister('network', 'rm', 'n1')).status, 0)
    t.deepEqual(host.left(), [])
  },
  CONTAINERS,
)

networkTest(
  'two containers on one network answer each other’s ping, and the host’s; on another they do not',
  async (t) => {
    const host = await ownHost(t)
    for (const name of ['n1', 'n2']) await host.cloister('network', 'create', name)
    // Even where the host passes packets on.
    host.sh('echo 1 >/proc/sys/net/ipv4/ip_forward')
    const web = await resting(t, host, 'n1', 'web')
    t.is(web, '10.77.0.2')
    const reached = await host.cloister(...ping('n1', web))
    t.is(reached.status, 0, reached.stdout + reached.stderr)
    t.regex(reached.stdout, /1 packets received/)
    t.is((await host.cloister(...ping('n1', '10.77.0.1'))).status, 0)
    t.regex(host.sh(`${BUSYBOX} ping -c 1 -W 2 ${web}`), /1 packets received/)
    for (const address of [web, '10.77.0.1']) t.is((await host.cloister(...ping('n2', address))).status, 1, address)
    t.is((await host.cloister('rm', '-f', 'web')).status, 0)
    t.is((await host.cloister('network', 'rm', 'n1', 'n2')).status, 0)
    t.deepEqual(host.left(), [])
  },
  CONTAINERS,
)

networkTest(
  'on an isolated network instances reach the host and not each other',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1', '--isolated')
    const web = await resting(t, host, 'n1', 'web')
    t.is((await host.cloister(...ping('n1', '10.77.0.1'))).status, 0)
    t.is((await host.cloister(...ping('n1', web))).status, 1)
    await host.cloister('rm', '-f', 'web')
    await host.cloister('network', 'rm', 'n1')
    t.deepEqual(host.left(), [])
  },
  CONTAINERS,
)

networkTest(
  'with --nat what is beyond the host is reached by the host’s address; the switches it takes go back',
  async (t) => {
    const host = await ownHost(t)
    const outside = await namespaceOf(t)
    const beyond = (line: string) => host.sh(`nsenter --net --target=${outside} sh -c '${line}'`)
    host.sh(`ip link add up0 type veth peer name out0 netns ${outside}`)
    host.sh('ip address add 198.51.100.1/24 dev up0; ip link set up0 up; ip route add default via 198.51.100.2')
    // It knows no way to the networks, but for the rules it would have one.
    beyond('ip address add 198.51.100.2/24 dev out0; ip link set out0 up; ip route add 10.77.0.0/16 via 198.51.100.1')
    const forwarding = (name: string) => host.sh(`cat /proc/sys/net/ipv4/conf/${name}/forwarding`).trim()
    await host.cloister('network', 'create', 'closed')
    t.is(forwarding('up0'), '0')
    for (const name of ['out1', 'out2']) t.is((await host.cloister('network', 'create', name, '--nat')).status, 0)
    t.deepEqual([forwarding('up0'), forwarding('cl-out1'), forwarding('all')], ['1', '1', '0'])

    const web = await resting(t, host, 'out1', 'web')
    const out = await host.cloister(...ping('out1', '198.51.100.2'))
    t.is(out.status, 0, out.stdout + out.stderr)
    t.is((await host.cloister(...ping('closed', '198.51.100.2'))).status, 1)
    t.is((await host.cloister(...ping('out2', web))).status, 1, 'networks stay apart')
    t.throws(() => beyond(`${BUSYBOX} ping -c 1 -W 1 ${web}`), undefined, 'nobody comes in')

    await host.cloister('rm', '-f', 'web')
    t.is((await host.cloister('network', 'rm', 'out1')).status, 0)
    t.is(forwarding('up0'), '1', 'the other one needs it')
    t.is((await host.cloister(...ping('out2', '198.51.100.2'))).status, 0)
    t.is((await host.cloister('network', 'rm', 'closed', 'out2')).status, 0)
    t.is(forwarding('up0'), '0')
    t.deepEqual(host.left(), [])
  },
  CONTAINERS,
)

networkTest(
  'a container on a network has its addresses, its own name, and no more rights over interfaces',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1', '--subnet', '10.9.8.0/28', '--gateway', '10.9.8.14', '--mtu', '1400')
    const script =
      'ip -4 addr show eth0; ip link show eth0; ip route; cat /etc/hosts; ip link set eth0 down || echo refused'
    const { stdout, status } = await host.cloister(...container('n1', '--name', 'web', BUSYBOX, 'sh', '-c', script))
    t.is(status, 0)
    t.regex(stdout, /inet 10\.9\.8\.1\/28 brd 10\.9\.8\.15/)
    t.regex(stdout, /mtu 1400/)
    t.regex(stdout, /link\/ether 02:c1:0a:09:08:01/)
    t.regex(stdout, /default via 10\.9\.8\.14/)
    t.regex(stdout, /^10\.9\.8\.1\tweb$/m)
    t.regex(stdout, /^refused$/m)
    await host.cloister('network', 'rm', 'n1')
    t.deepEqual(host.left(), [])
  },
  CONTAINERS,
)

const SOCKETS = `
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
static void try(const char *name, int family, int type, int protocol) {
  printf("%s %s\\n", name, socket(family, type, protocol) < 0 ? (errno == EPERM ? "EPERM" : "error") : "open");
}
int main(void) {
  try("tcp", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  try("udp", AF_INET, SOCK_DGRAM, 0);
  try("icmp", AF_INET, SOCK_RAW, 1);
  try("packet", 17, SOCK_RAW, 0x0300);
  try("inet-packet", AF_INET, 10, 0x0300);
  try("inet-packet-cloexec", AF_INET, 10 | SOCK_CLOEXEC, 0x0300);
}`

networkTest(
  'a container on a network opens internet sockets, raw ones too, and none for whole frames',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1')
    const directory = temporaryDirectory(t)
    const [source, program] = [join(directory, 'sockets.c'), join(directory, 'sockets')]
    writeFileSync(source, SOCKETS)
    execFileSync('gcc', ['-static', '-o', program, source])
    const { stdout } = await host.cloister(...container('n1', '--rm', program))
    const open = ['tcp open', 'udp open', 'icmp open']
    t.deepEqual(stdout.trim().split('\n'), [...open, 'packet EPERM', 'inet-packet EPERM', 'inet-packet-cloexec EPERM'])
    await host.cloister('network', 'rm', 'n1')
  },
  CONTAINERS,
)

networkTest(
  'rm refuses while instances are attached, and says which; inspect lists them',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1')
    await resting(t, host, 'n1', 'web')
    const refused = await host.cloister('network', 'rm', 'n1')
    t.is(refused.status, 1)
    t.regex(refused.stderr, /Cannot remove network "n1": "web" is attached\.\n {2}End it first: cloister stop web/)
    const [inspected] = JSON.parse((await host.cloister('network', 'inspect', 'n1')).stdout)
    t.like(inspected.instances[0], { name: 'web', address: '10.77.0.2', kind: 'veth' })
    const [described] = JSON.parse((await host.cloister('inspect', 'web')).stdout)
    t.like(described.details.network, { network: 'n1', address: '10.77.0.2', mac: '02:c1:0a:4d:00:02' })
    t.is((await host.cloister('stop', 'web')).status, 0)
    t.deepEqual(host.leased(), [])
    t.is((await host.cloister('network', 'rm', 'n1')).status, 0)
    t.deepEqual(host.left(), [])
  },
  CONTAINERS,
)

networkTest(
  'SIGKILL to a foreground run: the next command takes back its address, its interface and its namespace',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1')
    for (const next of [['ps'], ['network', 'ls'], ['doctor', '--fix'], container('n1', '--rm', BUSYBOX, 'true')]) {
      const child = host.start(...container('n1', BUSYBOX, 'sleep', '600'))
      await attached(host, 1)
      const [name = ''] = host.leased()
      // At whatever point of its start it is.
      await sleep(Math.random() * 150)
      child.kill('SIGKILL')
      await once(child, 'exit')
      await host.cloister(...next)
      t.deepEqual(host.leased(), [], next.join(' '))
      t.false(existsSync(`/run/netns/${name}`), next.join(' '))
      t.deepEqual(host.left().sort(), ['cl-n1', 'n1', 'table ip cl-n1'], next.join(' '))
    }
    t.is((await host.cloister('network', 'rm', 'n1')).status, 0)
    t.deepEqual(host.left(), [])
  },
  CONTAINERS,
)

networkTest(
  'a network that is full refuses, and one that cannot start leaves no lease',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1', '--subnet', '10.77.0.0/30')
    await resting(t, host, 'n1', 'web')
    const full = await host.cloister(...container('n1', BUSYBOX, 'true'))
    t.is(full.status, 125)
    t.regex(full.stderr, /all its addresses are in use/)
    await host.cloister('rm', '-f', 'web')
    t.is((await host.cloister(...container('n1', '--memory', '5M', BUSYBOX, 'true'))).status, 125)
    t.is((await host.cloister(...container('n1', '--rootfs', '/usr', '/nowhere'))).status, 127)
    t.deepEqual(host.leased(), [])
    await host.cloister('network', 'rm', 'n1')
    t.deepEqual(host.left(), [])
  },
  CONTAINERS,
)

networkTest('what cannot be is refused with the reason and the way out', async (t) => {
  const host = await ownHost(t)
  await host.cloister('network', 'create', 'n1')
  for (const [args, message] of [
    [container('n2', BUSYBOX, 'true'), /there is none of that name\.\n.*There is: n1\./s],
    [container('tap:x', BUSYBOX, 'true'), /Cannot attach a container to a tap/],
    [container('host', BUSYBOX, 'true'), /"host" as the name of a network/],
    [['run', '--net', 'tap:', BUSYBOX], /no interface has such a name/],
    [['network', 'create', '../x'], /as the name of a network/],
    [['network', 'create', 'n2', '--gateway', '10.0.0.1'], /yet to be found/],
    [['network', 'rm', 'n2'], /Cannot remove network "n2"/],
    [['network', 'inspect', 'n2'], /Cannot inspect network "n2"/],
  ] as const) {
    const { status, stderr } = await host.cloister(...args)
    t.not(status, 0)
    t.regex(stderr, message)
    t.true(stderr.trimEnd().split('\n').length <= 3, stderr)
  }
  t.deepEqual(host.leased(), [])
})

networkTest(
  'a unikernel and a container on one network answer each other’s ping, and network rm leaves nothing',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1', '--subnet', '10.77.0.0/24')
    const vm = (...rest: readonly string[]) => ['run', '--isolation', 'unikernel', '--net', 'n1', ...rest]
    t.is((await host.cloister(...vm('-d', '--name', 'uk', BUSYBOX, 'sleep', '600'))).status, 0)
    const web = await resting(t, host, 'n1', 'web')
    t.deepEqual(
      host.store.leases('n1').map(({ instance, address, kind }) => [instance, address, kind]),
      [
        ['uk', '10.77.0.2', 'tap'],
        ['web', '10.77.0.3', 'veth'],
      ],
    )
    const toVm = await host.cloister(...ping('n1', '10.77.0.2'))
    t.is(toVm.status, 0, toVm.stdout + toVm.stderr)
    const fromVm = await host.cloister(...vm('--rm', BUSYBOX, 'ping', '-c', '1', '-W', '2', web))
    t.is(fromVm.status, 0, fromVm.stdout + fromVm.stderr)
    t.regex(fromVm.stdout, /1 packets received/)
    const [described] = JSON.parse((await host.cloister('inspect', 'uk')).stdout)
    t.like(described.details.network, { network: 'n1', address: '10.77.0.2' })
    t.is((await host.cloister('rm', '-f', 'uk', 'web')).status, 0)
    t.deepEqual(host.leased(), [])
    t.is((await host.cloister('network', 'rm', 'n1')).status, 0)
    t.deepEqual(host.left(), [])
  },
  CONTAINERS_AND_VMS,
)

networkTest(
  'SIGKILL to the process of a unikernel: the next command takes back its address and its tap',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1')
    const child = host.start('run', '--isolation', 'unikernel', '--net', 'n1', BUSYBOX, 'sleep', '600')
    await attached(host, 1)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { stderr } = await host.cloister('ps', '--log-level', 'info')
    t.regex(stderr, /10\.77\.0\.2/)
    t.deepEqual(host.leased(), [])
    t.deepEqual(host.left().sort(), ['cl-n1', 'n1', 'table ip cl-n1'])
    await host.cloister('network', 'rm', 'n1')
    t.deepEqual(host.left(), [])
  },
  CONTAINERS_AND_VMS,
)
