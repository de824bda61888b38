import test from 'ava'
import { VIRTIO_NET_F } from '../../src/devices/virtio-net-features.ts'
import type { JsonObject } from '../../src/virtio/saved-state.ts'
import { ALL_OFFLOADS, CONTROLQ, DATA, frame, join, MAC, type NetDriver, netHeader, startNet } from '../helpers/net.ts'

const F = VIRTIO_NET_F
const NONE = { checksum: false, tso4: false, tso6: false, ecn: false, uso: false }

// --- configuration space, §5.1.4 ---

test('virtio-net is device 1 with a receiveq, a transmitq and a controlq (§5.1.2)', (t) => {
  const { driver, device } = startNet()
  t.is(driver.read('DeviceID'), 1)
  t.deepEqual(
    device.queues.map(({ name }) => name),
    ['receiveq', 'transmitq', 'controlq'],
  )
})

test('the configuration space tells address, link status, one pair of queues, and MTU (§5.1.4)', (t) => {
  const { driver } = startNet({ mtu: 1400 })
  t.deepEqual([...driver.readConfig(0, 12)], [...MAC, 1, 0, 1, 0, 1400 & 0xff, 1400 >> 8])
})

test('pulling the plug clears VIRTIO_NET_S_LINK_UP and tells the driver (§5.1.4.2)', (t) => {
  const { driver, plug } = startNet()
  const before = driver.read('ConfigGeneration')
  plug(false)
  t.is(driver.readConfig(6, 2)[0], 0)
  t.is(driver.read('InterruptStatus') & 2, 2)
  t.not(driver.read('ConfigGeneration'), before)
  plug(true)
  t.is(driver.readConfig(6, 2)[0], 1)
})

test('without VIRTIO_NET_F_STATUS the driver is not told of the link', (t) => {
  const { driver, plug } = startNet({ features: 0n })
  plug(false)
  t.is(driver.interrupts, 0)
})

// --- offloads, §5.1.3.1, §5.1.6.5.6 ---

test('the host is told which offloads were negotiated, and forgets them at reset', (t) => {
  const net = startNet()
  t.deepEqual(net.near.toGuest, ALL_OFFLOADS)
  net.driver.write('Status', 0)
  t.deepEqual(net.near.toGuest, NONE)
  net.driver.start({ features: net.driver.offeredFeatures() & ~(F.GUEST_TSO6 | F.GUEST_USO4) })
  t.deepEqual(net.near.toGuest, { ...ALL_OFFLOADS, tso6: false, uso: false })
})

test('an offload taken without the one it needs is not given (§5.1.3.1)', (t) => {
  t.deepEqual(startNet({ features: F.GUEST_TSO4 | F.GUEST_TSO6 }).near.toGuest, NONE)
  t.deepEqual(startNet({ features: F.GUEST_CSUM | F.GUEST_ECN }).near.toGuest, { ...NONE, checksum: true })
})

test('a backend without offloads has none on offer', (t) => {
  const { driver } = startNet({ offloads: NONE })
  const offered = driver.offeredFeatures()
  for (const feature of [F.CSUM, F.GUEST_CSUM, F.HOST_TSO4, F.GUEST_TSO6, F.HOST_USO]) t.is(offered & feature, 0n)
})

const command = (net: NetDriver, bytes: number[]): number => {
  net.driver.memory.bytes(DATA, 64).fill(0xee)
  net.driver.memory.bytes(DATA, bytes.length).set(bytes)
  const queue = net.driver.queue(CONTROLQ)
  queue.post({ gpa: DATA, length: bytes.length }, { gpa: DATA + 64, length: 1, write: true })
  net.driver.kick(CONTROLQ)
  expectOne(queue.takeUsed().length)
  return net.driver.memory.bytes(DATA + 64, 1)[0]!
}
const expectOne = (used: number) => {
  if (used !== 1) throw new Error(`${used} answers`)
}
const le64 = (bits: bigint) => [...new Uint8Array(BigUint64Array.of(bits).buffer)]

test('VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET switches what was negotiated, and nothing else (§5.1.6.5.6)', (t) => {
  const net = startNet({ features: F.CTRL_VQ | F.CTRL_GUEST_OFFLOADS | F.GUEST_CSUM | F.GUEST_TSO4 })
  t.is(command(net, [5, 0, ...le64(F.GUEST_CSUM)]), 0)
  t.deepEqual(net.near.toGuest, { ...NONE, checksum: true })
  t.is(command(net, [5, 0, ...le64(F.GUEST_CSUM | F.GUEST_TSO6)]), 1)
  t.is(command(net, [5, 0, ...le64(F.MAC)]), 1)
  t.deepEqual(net.near.toGuest, { ...NONE, checksum: true })
  t.is(command(net, [5, 0, ...le64(F.GUEST_CSUM | F.GUEST_TSO4)]), 0)
  t.deepEqual(net.near.toGuest, { ...NONE, checksum: true, tso4: true })
})

test('a control command of another kind, or of the wrong length, is answered with VIRTIO_NET_ERR (§5.1.6.5)', (t) => {
  const net = startNet()
  for (const bytes of [
    [0, 0, 1],
    [5, 1, ...le64(0n)],
    [5, 0],
    [5, 0, ...le64(0n), 0],
  ])
    t.is(command(net, bytes), 1)
  t.false(net.driver.needsReset)
})

test('the card keeps its address: a driver that wants another is told no, not cut off (§5.1.6.5.2)', (t) => {
  const net = startNet()
  t.not(net.driver.offeredFeatures() & F.CTRL_MAC_ADDR, 0n)
  t.is(command(net, [1, 1, ...MAC]), 0)
  t.is(command(net, [1, 1, 2, 0, 0, 0, 0, 2]), 1)
  t.is(command(net, [1, 1, ...MAC.subarray(1)]), 1)
  t.deepEqual([...net.driver.readConfig(0, 6)], [...MAC])
  net.transmit(join(netHeader(), frame(60)))
  t.truthy(net.arrived())
})

test('saved offloads that were never negotiated are not asked of the host (class 32)', (t) => {
  const net = startNet({ features: F.CTRL_VQ | F.CTRL_GUEST_OFFLOADS | F.GUEST_CSUM })
  const state = net.driver.transport.save()
  const deviceState = { ...(state.deviceState as JsonObject), guestOffloads: '0xffffffffffffffff' }
  const other = startNet()
  other.driver.transport.restore({ ...state, deviceState })
  t.deepEqual(other.near.toGuest, { ...NONE, checksum: true })
})

test('offloads that a driver switched off stay off in another process (saved state)', (t) => {
  const net = startNet()
  command(net, [5, 0, ...le64(0n)])
  const state = JSON.parse(JSON.stringify(net.driver.transport.save()))
  const other = startNet()
  other.driver.transport.restore(state)
  t.deepEqual(other.near.toGuest, NONE)
})
