/**
 * No wake-up is lost between a device and a driver that reads InterruptStatus from a page and whose acknowledgements
 * arrive later (DEFERRABLE_WRITES): every order in which the two can meet. The line is edge-triggered. virtio 1.2 §4.2.2
 */
import test from 'ava'
import fc from 'fast-check'
import { INTERRUPT_CONFIG_CHANGE, INTERRUPT_USED_BUFFER } from '../../src/virtio/interrupt-line.ts'
import { MMIO_CONFIG, MMIO_OFFSET } from '../../src/virtio/registers.ts'
import { ALL_RING_FEATURES, MmioDriver } from '../helpers/mmio-driver.ts'
import { createProbeDevice } from '../helpers/probe-device.ts'

const QUEUE_SIZE = 8
/** VIRTIO_F_EVENT_IDX */
const EVENT_IDX = 1n << 29n

/** Where the driver gets to run while the device does something. */
class RacedDriver extends MmioDriver {
  meanwhile = () => {}

  override deliverKeptBack(): void {
    this.meanwhile()
    super.deliverKeptBack()
    this.meanwhile()
  }
}

/** Linux's vm_interrupt, one access after the other: reads the status, acknowledges it, looks at what it says. */
function* interruptHandler(driver: MmioDriver, seen: { used: number; config: number }, eventIdx: boolean) {
  const page = new DataView(driver.page.buffer)
  const status = page.getUint32(MMIO_OFFSET.InterruptStatus, true)
  yield
  driver.writeKeptBack('InterruptACK', status)
  yield
  if ((status & INTERRUPT_CONFIG_CHANGE) !== 0) seen.config = page.getUint8(MMIO_CONFIG)
  yield
  if ((status & INTERRUPT_USED_BUFFER) === 0) return
  for (;;) {
    seen.used += driver.queue(0).takeUsed().length
    yield
    if (!eventIdx) return
    driver.queue(0).writeUsedEvent(seen.used & 0xffff)
    yield
    if (driver.queue(0).usedIndex === (seen.used & 0xffff)) return
    yield
  }
}

function race(actions: readonly ('use' | 'config' | 'settle')[], steps: readonly number[], eventIdx: boolean) {
  const config = new Uint8Array(4)
  const probe = createProbeDevice({ config })
  const driver = new RacedDriver(probe)
  driver.start({ size: QUEUE_SIZE, features: eventIdx ? ALL_RING_FEATURES : ALL_RING_FEATURES & ~EVENT_IDX })
  const seen = { used: 0, config: 0 }
  let edge = false
  let handler: Iterator<unknown> | undefined
  /** One access of the interrupt handler, which runs when the line saw an edge. */
  const step = () => {
    if (handler === undefined && edge) {
      edge = false
      handler = interruptHandler(driver, seen, eventIdx)
    }
    if (handler?.next().done) handler = undefined
  }
  const order = steps.values()
  const someSteps = () => {
    for (let left = order.next().value ?? 0; left > 0; left--) step()
  }
  driver.onInterrupt = () => {
    edge = true
    someSteps()
  }
  driver.meanwhile = someSteps

  let used = 0
  for (const action of actions) {
    someSteps()
    if (action === 'settle') driver.deliverKeptBack()
    if (action === 'config') {
      config[0]!++
      probe.host!.configChanged()
    }
    if (action === 'use' && used - seen.used < QUEUE_SIZE) {
      driver.queue(0).post({ gpa: 0x8000, length: 4, write: true })
      driver.kick(0)
      probe.chains.shift()!.complete(4)
      used++
    }
  }
  while (handler !== undefined || edge) step()
  return { seen, happened: { used, config: config[0]! } }
}

for (const [eventIdx, how] of [
  [true, 'with'],
  [false, 'without'],
] as const) {
  test(`whatever the order, a driver sees every used buffer and the last configuration (${how} event index)`, (t) => {
    const action = fc.constantFrom('use' as const, 'use' as const, 'config' as const, 'settle' as const)
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(6), { minLength: 40, maxLength: 40 }),
        (actions, steps) => {
          const { seen, happened } = race(actions, steps, eventIdx)
          if (seen.used !== happened.used || seen.config !== happened.config)
            throw new Error(`${JSON.stringify(happened)} happened, ${JSON.stringify(seen)} was seen`)
        },
      ),
      { numRuns: 1000 },
    )
    t.pass()
  })
}
