import test from 'ava'
import { SyscallError } from '../../kvm-bindings/ffi.ts'
import { Reactor } from '../../src/backends/reactor.ts'
import { HostError, UsageError } from '../../src/errors.ts'
import { attachNetwork, macOf, tapRefusal } from '../../src/vmm/network.ts'
import { makeTap, whyNoTaps } from '../helpers/taps.ts'

const reason = whyNoTaps()
const tapTest = reason === undefined ? test.serial : test.serial.skip
if (reason !== undefined) test(`tests with taps are skipped: ${reason}`, (t) => t.pass())

const withReactor = async (use: (reactor: Reactor) => Promise<void>): Promise<void> => {
  const reactor = new Reactor((error) => {
    throw error
  })
  try {
    await use(reactor)
  } finally {
    await reactor.close()
  }
}

const attach = (name: string, reactor: Reactor) =>
  attachNetwork({ kind: 'tap', name }, 'web', { reactor, log: () => {} })

test('an instance on a tap has an address of its own: locally administered, one machine’s, the same each time', (t) => {
  for (const name of ['web', 'db', 'a', 'b', 'c', 'd']) {
    t.regex(macOf(name), /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/)
    t.is(Number.parseInt(macOf(name), 16) & 3, 2)
    t.is(macOf(name), macOf(name))
  }
  t.not(macOf('web'), macOf('db'))
  // Taps of two hosts, or of two users, may be ports of one wire.
  t.not(macOf('web', 'host 0'), macOf('web', 'other 0'))
  t.not(macOf('web', 'host 0'), macOf('web', 'host 1000'))
})

test('a host that refuses is told apart: no driver, no permission for it, not the owner', (t) => {
  const EPERM = 1
  const ENOENT = 2
  const EACCES = 13
  const refusal = (call: string, errno: number) => tapRefusal('tap0', new SyscallError(call, errno))
  const noDriver = refusal('open /dev/net/tun', ENOENT)
  t.true(noDriver instanceof HostError)
  t.regex(noDriver.hint ?? '', /modprobe tun/)
  t.regex(refusal('open /dev/net/tun', EACCES).message, /no permission to open \/dev\/net\/tun\.$/)
  const notOwner = refusal('ioctl TUNSETIFF', EPERM)
  t.regex(notOwner.message, /this user has no permission\.$/)
  t.regex(notOwner.hint ?? '', /owner.*CAP_NET_ADMIN.*user /)
  t.regex(refusal('ioctl TUNSETOFFLOAD', 5).message, /ioctl TUNSETOFFLOAD gave EIO/)
})

tapTest('a tap becomes one device, and inspect tells which', async (t) => {
  const host = makeTap()
  try {
    await withReactor(async (reactor) => {
      const attached = await attach(host.name, reactor)
      t.deepEqual(
        attached.devices.map(({ name }) => name),
        ['net'],
      )
      t.like(attached.describe(), { network: { tap: host.name, mac: macOf('web'), mtu: 1500, link: 'up' } })
      t.is(attached.commandLine, '')
      attached.close()
      attached.close()
      // It is free again.
      const again = await attach(host.name, reactor)
      again.close()
    })
  } finally {
    host.remove()
  }
})

tapTest('a tap that cannot be had is explained, with what to do', async (t) => {
  const host = makeTap()
  try {
    await withReactor(async (reactor) => {
      const attached = await attach(host.name, reactor)
      const refusal = async (name: string) => (await t.throwsAsync(attach(name, reactor), { instanceOf: UsageError }))!
      t.regex((await refusal(host.name)).message, /another process is attached/)
      t.regex((await refusal('clnosuch')).message, /"clnosuch": there is no such interface/)
      t.regex((await refusal('clnosuch')).hint ?? '', /ip tuntap add clnosuch/)
      t.regex((await refusal('lo')).message, /another kind/)
      t.regex((await refusal('name-of-20-characters')).message, /1 to 15 characters/)
      t.regex((await refusal('')).message, /1 to 15 characters/)
      attached.close()
    })
  } finally {
    host.remove()
  }
})

tapTest('a tap that is down is attached to, and the user is told', async (t) => {
  const host = makeTap({ up: false })
  try {
    await withReactor(async (reactor) => {
      const said: string[] = []
      const attached = await attachNetwork({ kind: 'tap', name: host.name }, 'web', {
        reactor,
        log: (line) => said.push(line),
      })
      t.like(attached.describe(), { network: { link: 'down' } })
      t.deepEqual(said, [`the tap ${host.name} is down, and so is the machine's link: ip link set ${host.name} up`])
      attached.close()
    })
  } finally {
    host.remove()
  }
})
