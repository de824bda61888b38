/** The control messages of a virtio-console with several ports. virtio 1.2 §5.3.6.2 */

export const VIRTIO_CONSOLE = {
  DEVICE_READY: 0,
  PORT_ADD: 1,
  PORT_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const

/** struct virtio_console_control: le32 id, le16 event, le16 value. */
export const CONTROL_BYTES = 8

export interface ControlMessage {
  /** Port number. */
  readonly id: number
  readonly event: number
  readonly value: number
}

export const encodeControl = (
  { id, event, value }: ControlMessage,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array => {
  const bytes = new Uint8Array(CONTROL_BYTES + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, id, true)
  view.setUint16(4, event, true)
  view.setUint16(6, value, true)
  bytes.set(payload, CONTROL_BYTES)
  return bytes
}

/** @param bytes at least CONTROL_BYTES */
export const decodeControl = (bytes: Uint8Array): ControlMessage => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return { id: view.getUint32(0, true), event: view.getUint16(4, true), value: view.getUint16(6, true) }
}
