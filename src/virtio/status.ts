/** The device status field and the order in which a driver may set its bits. virtio 1.2 §2.1, §3.1.1 */

export const STATUS = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  DEVICE_NEEDS_RESET: 64,
  FAILED: 128,
} as const

const { ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, DEVICE_NEEDS_RESET, FAILED } = STATUS

/** Each step adds exactly one bit to what is there. */
export const STATUS_STEPS = [
  { name: 'acknowledge', from: 0, to: ACKNOWLEDGE },
  { name: 'driver', from: ACKNOWLEDGE, to: ACKNOWLEDGE | DRIVER },
  { name: 'featuresOk', from: ACKNOWLEDGE | DRIVER, to: ACKNOWLEDGE | DRIVER | FEATURES_OK },
  {
    name: 'driverOk',
    from: ACKNOWLEDGE | DRIVER | FEATURES_OK,
    to: ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK,
  },
] as const

export type StatusStep = (typeof STATUS_STEPS)[number]['name'] | 'reset' | 'same' | 'failed' | 'illegal'

/** What a write of `written` means to a device whose status is `current`. */
export const statusStep = (current: number, written: number): StatusStep => {
  if (written === 0) return 'reset'
  // The device's own bit: a driver that reads, adds a bit and writes back carries it along.
  const from = current & ~DEVICE_NEEDS_RESET
  const to = written & ~DEVICE_NEEDS_RESET
  if (to === from) return 'same'
  if ((to & FAILED) !== 0 && (to & ~FAILED) === (from & ~FAILED)) return 'failed'
  return STATUS_STEPS.find((step) => step.from === from && step.to === to)?.name ?? 'illegal'
}
