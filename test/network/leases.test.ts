import test from 'ava'
import fc from 'fast-check'
import { broadcast, contains, formatAddress, parseAddress, parseCidr } from '../../src/network/ipv4.ts'
import { freeAddress, interfaceName, isLease, type Lease, macOf } from '../../src/network/leases.ts'

const lease = (address: number, instance = 'web'): Lease => ({
  instance,
  address: formatAddress(address),
  interface: interfaceName('0123456789ab'),
  kind: 'tap',
  owner: { pid: 1, startTime: '1' },
  bootId: 'b',
})

test('no two leases share an address; all lie in the subnet and are neither its ends nor the gateway', (t) => {
  const prefix = fc.integer({ min: 26, max: 30 })
  // Each step takes an address, or gives one back.
  const steps = fc.array(fc.oneof(fc.constant('take' as const), fc.nat(100)), { maxLength: 120 })
  fc.assert(
    fc.property(prefix, fc.nat(0xffff), fc.nat(60), steps, (prefix, network, at, steps) => {
      const subnet = parseCidr(`10.${network >> 8}.${network & 0xff}.64/${prefix}`)!
      const hosts = broadcast(subnet) - subnet.base - 1
      const gateway = subnet.base + 1 + (at % hosts)
      let held: Lease[] = []
      for (const step of steps) {
        if (step !== 'take') held = held.filter((_, index) => index !== step % Math.max(1, held.length))
        else {
          const address = freeAddress(subnet, gateway, held)
          if (address === undefined) t.is(held.length, hosts - 1)
          else held.push(lease(address))
        }
        const addresses = held.map((one) => parseAddress(one.address)!)
        t.is(new Set(addresses).size, addresses.length)
        for (const one of addresses) {
          t.true(contains(subnet, one))
          t.false([subnet.base, broadcast(subnet), gateway].includes(one))
        }
      }
    }),
    { numRuns: 50 },
  )
})

test('hardware addresses are locally administered, of one host, and as different as the addresses', (t) => {
  t.is(macOf(parseAddress('10.77.0.2')!), '02:c1:0a:4d:00:02')
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (a, b) => {
      const first = Number.parseInt(macOf(a).slice(0, 2), 16)
      t.is(first & 0b11, 0b10)
      t.regex(macOf(a), /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)
      t.is(macOf(a) === macOf(b), a === b)
    }),
  )
})

test('the name of an interface is as long as the kernel allows, and no longer', (t) => {
  t.is(interfaceName('0123456789ab').length, 15)
})

test('only what names an interface of ours and an address of the subnet counts as a lease', (t) => {
  const subnet = parseCidr('10.77.0.0/24')!
  const good = lease(subnet.base + 2)
  t.true(isLease(good, subnet))
  for (const wrong of [
    { ...good, interface: 'eth0' },
    { ...good, interface: '../../etc' },
    { ...good, address: '10.78.0.2' },
    { ...good, address: '10.77.0.255' },
    { ...good, kind: 'wire' },
    { ...good, owner: undefined },
    null,
  ]) {
    t.false(isLease(wrong as unknown as Lease, subnet), JSON.stringify(wrong))
  }
})
