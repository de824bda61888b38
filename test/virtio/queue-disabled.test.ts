import test from 'ava'
import { MmioDriver } from '../helpers/mmio-driver.ts'
import { createProbeDevice } from '../helpers/probe-device.ts'

const stop = (driver: MmioDriver, index: number) => {
  driver.write('QueueSel', index)
  driver.write('QueueReady', 0)
}

test('a device hears of each queue that its driver stops, once, when its chains are stale (§4.2.2.2)', (t) => {
  const told: [index: number, stale: boolean | undefined][] = []
  const device = createProbeDevice({ queueCount: 2 })
  device.queueDisabled = (index) => told.push([index, device.chains[0]?.stale])
  const driver = new MmioDriver(device)
  driver.start()
  driver.queue(1).post({ gpa: 0x8000, length: 16, write: true })
  driver.kick(1)
  stop(driver, 1)
  stop(driver, 1)
  t.deepEqual(told, [[1, true]])
  driver.start()
  t.deepEqual(told, [[1, true]], 'a reset says so by itself')
})

test('a device that fails to stop a queue needs a reset, and nothing is thrown past it', (t) => {
  const device = createProbeDevice()
  device.queueDisabled = () => {
    throw new Error('no')
  }
  const driver = new MmioDriver(device)
  driver.start()
  stop(driver, 0)
  t.true(driver.needsReset)
})
