import test from 'ava'
import { Bus, type BusDevice } from '../../src/bus/bus.ts'
import { BugError } from '../../src/errors.ts'

const recorder = (name: string) => {
  const writes: [number, number[]][] = []
  const device: BusDevice = {
    name,
    read: (offset, data) => data.fill(offset),
    write: (offset, data) => void writes.push([offset, [...data]]),
  }
  return { device, writes }
}

test('a device sees the offset into its own range', (t) => {
  const bus = new Bus()
  const { device, writes } = recorder('uart')
  bus.add(0x3f8, 8, device)
  t.true(bus.write(0x3fb, Uint8Array.of(7)))
  t.deepEqual(writes, [[3, [7]]])
  const data = new Uint8Array(1)
  t.true(bus.read(0x3fd, data))
  t.is(data[0], 5)
})

test('an address nobody owns reads as all ones and swallows writes', (t) => {
  const bus = new Bus()
  const data = new Uint8Array(4)
  t.false(bus.read(0x80, data))
  t.deepEqual([...data], [255, 255, 255, 255])
  t.false(bus.write(0x80, data))
})

test('an access that straddles the end of a range is nobody’s', (t) => {
  const bus = new Bus()
  bus.add(0x100, 4, recorder('a').device)
  bus.add(0x104, 4, recorder('b').device)
  t.is(bus.find(0x102, 4), undefined)
  t.is(bus.find(0x104, 4)?.device.name, 'b')
})

test('two devices cannot have the same address', (t) => {
  const bus = new Bus()
  bus.add(0x100, 8, recorder('a').device)
  t.throws(() => bus.add(0x107, 1, recorder('b').device), { instanceOf: BugError, message: /a is there/ })
  t.notThrows(() => bus.add(0x108, 1, recorder('b').device))
})
