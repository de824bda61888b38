/** A unikernel on a network, and its clones there: each has an address of its own, and answers at no other. */
import type { ExecutionContext } from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { until } from '../helpers/detached.ts'
import { networkTest, type OwnHost, ownHost } from '../helpers/networks.ts'
import { whyNoKvm } from '../helpers/why-no-kvm.ts'

const VMS = [whyNoKvm && `no KVM here: ${whyNoKvm}`]

interface Place {
  readonly address: string
  readonly mac: string
}

async function placeOf(t: ExecutionContext, { cloister }: OwnHost, name: string): Promise<Place> {
  const { stdout } = await cloister('inspect', name)
  const [{ details }] = JSON.parse(stdout) as [{ details: { network: Place } }]
  t.regex(details.network.address, /^10\.77\.0\.\d+$/)
  return details.network
}

const answers = ({ sh }: OwnHost, address: string): boolean => {
  try {
    sh(`${BUSYBOX} ping -c 1 -W 1 ${address}`)
    return true
  } catch {
    return false
  }
}

const neighbour = ({ sh }: OwnHost, address: string): string => sh(`ip neighbour show ${address}`)

networkTest(
  'clones of a unikernel on a network have addresses of their own there, and answer at them',
  async (t) => {
    const host = await ownHost(t)
    await host.cloister('network', 'create', 'n1', '--subnet', '10.77.0.0/24')
    const start = ['run', '-d', '--name', 'web', '--memory', '16M', '--net', 'n1', BUSYBOX, 'sleep', '600']
    t.like(await host.cloister(...start), { status: 0, stderr: '' })
    const first = await placeOf(t, host, 'web')
    await until(() => answers(host, first.address))
    t.like(await host.cloister('snapshot', 'create', 'web', 'ready'), { status: 0, stderr: '' })
    t.like(await host.cloister('clone', 'ready', '--name', 'w', '--count', '2'), { status: 0, stderr: '' })
    const places = [first, await placeOf(t, host, 'w-1'), await placeOf(t, host, 'w-2')]
    t.is(new Set(places.map(({ address }) => address)).size, 3)
    for (const { address, mac } of places) {
      t.true(answers(host, address), address)
      t.true(neighbour(host, address).includes(mac), `${address} is at ${neighbour(host, address)}, not ${mac}`)
    }
    // One that is gone answers no more: nobody else took its address along.
    await host.cloister('rm', '-f', 'web')
    host.sh('ip neighbour flush all')
    t.false(answers(host, first.address))
    t.like(await host.cloister('snapshot', 'restore', 'ready'), { status: 0, stdout: 'web\n', stderr: '' })
    t.true(answers(host, (await placeOf(t, host, 'web')).address))
    await host.cloister('rm', '-f', 'web', 'w-1', 'w-2')
    await host.cloister('network', 'rm', 'n1')
    t.deepEqual(host.left(), [])
  },
  VMS,
)

networkTest(
  'where there is no room for all clones, those that have some are named, and the others are said to have failed',
  async (t) => {
    const host = await ownHost(t)
    // The host and five more.
    await host.cloister('network', 'create', 'n1', '--subnet', '10.77.0.0/29')
    await host.cloister('run', '-d', '--name', 'web', '--memory', '16M', '--net', 'n1', BUSYBOX, 'sleep', '600')
    await host.cloister('snapshot', 'create', 'web', 'ready')
    const { status, stdout, stderr } = await host.cloister('clone', 'ready', '--name', 'w', '--count', '6')
    t.is(status, 1)
    const names = stdout.split('\n').filter(Boolean)
    t.is(names.length, 4, stderr)
    t.is(names[0], 'w-1')
    t.is(stderr.match(/^cloister: Cannot .*\.$/gm)?.length, 2, stderr)
    const { stdout: running } = await host.cloister('ps', '-q')
    t.deepEqual(running.split('\n').filter(Boolean).sort(), [...names, 'web'].sort())
    await host.cloister('rm', '-f', 'web', ...names)
    await host.cloister('network', 'rm', 'n1')
    t.deepEqual(host.left(), [])
  },
  VMS,
)
