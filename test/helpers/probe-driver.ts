/** A probe device behind a transport, and a driver for it. */
import { ALL_RING_FEATURES, MmioDriver } from './mmio-driver.ts'
import { createProbeDevice, type ProbeOptions } from './probe-device.ts'

export const probeDriver = (options: ProbeOptions = {}) => {
  const probe = createProbeDevice(options)
  return { probe, driver: new MmioDriver(probe) }
}

export const startedProbe = (options: ProbeOptions & { features?: bigint } = {}) => {
  const made = probeDriver(options)
  made.driver.start({ features: options.features ?? ALL_RING_FEATURES })
  return { ...made, queue: made.driver.queue(0) }
}
