import test from 'ava'
import { ruleset } from '../../src/network/firewall.ts'
import { bridgeNames } from '../../src/network/interfaces.ts'

const RECORD = {
  ...{ name: 'n1', subnet: '10.77.0.0/24', gateway: '10.77.0.1', mtu: 1500, nat: false, isolated: false },
  ...{ bridge: 'cl-n1', forwarded: [], createdAt: '' },
}

test('a network without NAT passes nothing through the host, in either direction', (t) => {
  const rules = ruleset(RECORD)
  t.regex(rules, /^ +iifname "cl-n1" drop$/m)
  t.regex(rules, /^ +oifname "cl-n1" drop$/m)
  t.notRegex(rules, /masquerade|established/)
})

test('one with NAT lets out only its own addresses, and in only what answers; other networks stay apart', (t) => {
  const rules = ruleset({ ...RECORD, nat: true })
  t.regex(rules, /iifname "cl-n1" ip saddr != 10\.77\.0\.0\/24 drop/)
  t.regex(rules, /iifname "cl-n1" oifname "cl-\*" drop/)
  t.regex(rules, /oifname "cl-n1" ct state established,related accept\n +oifname "cl-n1" drop/)
  t.regex(rules, /ip saddr 10\.77\.0\.0\/24 oifname != "cl-n1" masquerade/)
})

test('where forwarding was off, what is for none of our networks still goes nowhere', (t) => {
  t.notRegex(ruleset({ ...RECORD, nat: true }), /eth0/)
  t.regex(ruleset({ ...RECORD, nat: true, forwarded: ['eth0'] }), /iifname "eth0" oifname != "cl-\*" drop/)
})

test('the name of a bridge fits into 15 characters, and there is another where the plain one is taken', (t) => {
  t.deepEqual(bridgeNames('n1', '/a')[0], 'cl-n1')
  t.deepEqual(bridgeNames('a'.repeat(12), '/a')[0]?.length, 15)
  t.is(bridgeNames('a'.repeat(13), '/a').length, 1)
  for (const name of ['n1', 'a'.repeat(63)]) {
    for (const one of bridgeNames(name, '/a')) t.true(one.length <= 15 && one.startsWith('cl-'))
    t.not(bridgeNames(name, '/a').at(-1), bridgeNames(name, '/b').at(-1))
  }
})
