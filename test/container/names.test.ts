import test from 'ava'
import { resolvers } from '../../src/network/resolvers.ts'

test('of name servers those count that another network namespace can reach by IPv4', (t) => {
  const stub = 'nameserver 127.0.0.53\noptions edns0\nsearch example.org\n'
  const real = '# resolved\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver 192.0.2.54\n'
  t.is(resolvers([stub, real]), 'nameserver 192.0.2.53\nnameserver 192.0.2.54\n')
  t.is(resolvers(['search example.org\nnameserver 192.0.2.1\n', real]), 'search example.org\nnameserver 192.0.2.1\n')
  t.is(resolvers([stub, '']), '')
})
