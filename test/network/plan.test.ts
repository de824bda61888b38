import test from 'ava'
import fc from 'fast-check'
import { UsageError } from '../../src/errors.ts'
import { formatAddress, formatSubnet, isHostAddress, overlaps, parseCidr } from '../../src/network/ipv4.ts'
import { planNetwork, type Taken } from '../../src/network/plan.ts'

const taken = (...subnets: string[]): Taken[] => subnets.map((text) => ({ subnet: parseCidr(text)!, by: text }))

function plan(asked: { subnet?: string; gateway?: string }, ...others: string[]): string[] {
  const { subnet, gateway } = planNetwork(asked, taken(...others))
  return [formatSubnet(subnet), formatAddress(gateway)]
}

test('without a wish it is the first free /24 of the pool, and its first address is the host’s', (t) => {
  t.deepEqual(plan({}), ['10.77.0.0/24', '10.77.0.1'])
  t.deepEqual(plan({}, '10.77.0.0/24', '10.77.1.128/25', '192.168.0.0/16'), ['10.77.2.0/24', '10.77.2.1'])
  t.throws(() => plan({}, '10.0.0.0/8'), { instanceOf: UsageError, message: /all of 10\.77\.0\.0\/16 is in use/ })
})

test('what is chosen overlaps nothing that the host has, whatever that is', (t) => {
  const inPool = fc
    .tuple(fc.nat(0xffff), fc.integer({ min: 18, max: 32 }))
    .map(([low, prefix]) => `10.77.${low >> 8}.${low & 0xff}/${prefix}`)
  fc.assert(
    fc.property(fc.array(inPool, { maxLength: 40 }), (others) => {
      const all = taken(...others)
      let made: ReturnType<typeof planNetwork>
      try {
        made = planNetwork({}, all)
      } catch {
        return
      }
      t.false(all.some(({ subnet }) => overlaps(subnet, made.subnet)))
      t.true(isHostAddress(made.subnet, made.gateway))
    }),
  )
})

test('a subnet that is asked for is taken as it is, or refused with the reason', (t) => {
  t.deepEqual(plan({ subnet: '192.168.9.0/30' }), ['192.168.9.0/30', '192.168.9.1'])
  for (const [subnet, reason] of [
    ['10.77.0.5/24', /address of a host/],
    ['10.77.0.0/31', /prefix is not between/],
    ['10.0.0.0/7', /prefix is not between/],
    ['127.1.0.0/16', /not for networks of hosts/],
    ['224.0.0.0/8', /not for networks of hosts/],
    ['10.1.2.0/24', /overlaps 10\.1\.0\.0\/16/],
    ['fd00::/64', /as a subnet/],
    ['n1', /as a subnet/],
  ] as const) {
    const error = t.throws(() => plan({ subnet }, '10.1.0.0/16'), { instanceOf: UsageError, message: reason }, subnet)
    t.truthy((error as UsageError).hint)
  }
})

test('the gateway is an address for a host of the subnet', (t) => {
  t.deepEqual(plan({ subnet: '10.5.0.0/24', gateway: '10.5.0.254' }), ['10.5.0.0/24', '10.5.0.254'])
  for (const gateway of ['10.5.0.0', '10.5.0.255', '10.5.1.1', 'host', '10.5.0.1/24']) {
    t.throws(
      () => plan({ subnet: '10.5.0.0/24', gateway }),
      { instanceOf: UsageError, message: /as the gateway/ },
      gateway,
    )
  }
})
