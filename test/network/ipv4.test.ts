import test from 'ava'
import fc from 'fast-check'
import {
  broadcast,
  contains,
  formatAddress,
  formatSubnet,
  isHostAddress,
  netmask,
  overlaps,
  parseAddress,
  parseCidr,
} from '../../src/network/ipv4.ts'

const address = fc.nat(0xffff_ffff)
const subnet = fc
  .tuple(address, fc.integer({ min: 0, max: 32 }))
  .map(([host, prefix]) => parseCidr(`${formatAddress(host)}/${prefix}`)!)

test('an address is four decimal numbers, and comes back as it was written', (t) => {
  t.is(parseAddress('10.77.0.1'), 0x0a4d0001)
  fc.assert(fc.property(address, (one) => parseAddress(formatAddress(one)) === one))
  for (const wrong of [
    '',
    '10.77.0',
    '10.77.0.256',
    '10.077.0.1',
    '10.77.0.1 ',
    '0x0a.1.1.1',
    '1.2.3.4.5',
    '::1',
    '1e1.0.0.1',
  ]) {
    t.is(parseAddress(wrong), undefined, wrong)
  }
})

test('a subnet is an address and a prefix; the bits beyond are the host’s', (t) => {
  t.deepEqual(parseCidr('10.77.3.9/16'), { base: 0x0a4d0000, prefix: 16, host: 0x0a4d0309 })
  t.is(formatSubnet(parseCidr('10.77.3.9/16')!), '10.77.0.0/16')
  t.is(netmask({ base: 0, prefix: 0 }), '0.0.0.0')
  t.is(netmask({ base: 0, prefix: 27 }), '255.255.255.224')
  for (const wrong of [
    '10.77.0.0',
    '10.77.0.0/',
    '10.77.0.0/33',
    '10.77.0.0/024',
    '/24',
    '10.77.0.0/24/1',
    '10.77.0.0/-1',
  ]) {
    t.is(parseCidr(wrong), undefined, wrong)
  }
})

test('text of any kind is a subnet or is not, and throws nothing', (t) => {
  t.notThrows(() => fc.assert(fc.property(fc.string(), (text) => void [parseCidr(text), parseAddress(text)])))
})

test('a subnet contains what lies between its first and its last address, and two overlap when they share one', (t) => {
  fc.assert(
    fc.property(subnet, subnet, address, (a, b, one) => {
      t.is(contains(a, one), one >= a.base && one <= broadcast(a))
      t.is(overlaps(a, b), a.base <= broadcast(b) && b.base <= broadcast(a))
      t.is(isHostAddress(a, one), one > a.base && one < broadcast(a))
    }),
  )
})
