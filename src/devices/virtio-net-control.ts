/** The control queue: a driver takes back and renews its offloads, or asks for another address. virtio 1.2 §5.1.6.5 */
import { type Chain, gather, scatter } from '../virtio/chain.ts'
import { DriverError } from '../virtio/driver-error.ts'

/** struct virtio_net_ctrl: u8 class, u8 command, then the command's data; the device writes u8 ack. */
const HEADER_BYTES = 2
const DATA_MAX = 8
const OK = 0
const ERR = 1

/** Class and command, as they stand in the header, and how much data follows. */
const MAC_ADDR_SET = { is: 0x0101, bytes: 6 }
const GUEST_OFFLOADS_SET = { is: 0x0500, bytes: 8 }

/** Each says whether it obeys. */
export interface ControlledCard {
  /** §5.1.6.5.2 */
  setAddress(mac: Uint8Array): boolean
  /** le64 with the feature bits, §5.1.6.5.6.1 */
  setOffloads(bits: bigint): boolean
}

/** Answers one command. */
export function answerControl(chain: Chain, card: ControlledCard): void {
  if (chain.writableBytes < 1) throw new DriverError('a control command without room for its answer')
  const command = new Uint8Array(HEADER_BYTES + DATA_MAX)
  if (gather(chain.readable, command) < HEADER_BYTES) throw new DriverError('a control command shorter than its header')
  const taken = obey(new DataView(command.buffer), chain.readableBytes - HEADER_BYTES, card)
  chain.complete(scatter(chain.writable, Uint8Array.of(taken ? OK : ERR)))
}

function obey(command: DataView<ArrayBuffer>, bytes: number, card: ControlledCard): boolean {
  const asked = command.getUint16(0)
  if (asked === MAC_ADDR_SET.is && bytes === MAC_ADDR_SET.bytes)
    return card.setAddress(new Uint8Array(command.buffer, HEADER_BYTES, bytes))
  if (asked === GUEST_OFFLOADS_SET.is && bytes === GUEST_OFFLOADS_SET.bytes)
    return card.setOffloads(command.getBigUint64(HEADER_BYTES, true))
  return false
}
