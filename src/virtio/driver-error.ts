/**
 * The driver broke a rule of the specification. Thrown by queues and devices, and caught by the transport, which logs
 * it and sets DEVICE_NEEDS_RESET: it never reaches the bus.
 */
export class DriverError extends Error {
  override readonly name = 'DriverError'
}
