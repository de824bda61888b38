/** The control queue: one command, so that a driver can take back and renew its offloads. virtio 1.2 §5.1.6.5 */
import { type Chain, gather, scatter } from '../virtio/chain.ts'
import { DriverError } from '../virtio/driver-error.ts'

/** struct virtio_net_ctrl: u8 class, u8 command, then the command's data; the device writes u8 ack. */
const HEADER_BYTES = 2
const VIRTIO_NET_CTRL_GUEST_OFFLOADS = 5
const VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET = 0
const OK = 0
const ERR = 1

/** Answers one command. @param setOffloads whether it likes them: le64 with the feature bits, §5.1.6.5.6.1 */
export function answerControl(chain: Chain, setOffloads: (bits: bigint) => boolean): void {
  if (chain.writableBytes < 1) throw new DriverError('a control command without room for its answer')
  const command = new Uint8Array(HEADER_BYTES + 8)
  const got = gather(chain.readable, command)
  if (got < HEADER_BYTES) throw new DriverError('a control command shorter than its header')
  const known =
    command[0] === VIRTIO_NET_CTRL_GUEST_OFFLOADS &&
    command[1] === VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET &&
    chain.readableBytes === command.length
  const taken = known && setOffloads(new DataView(command.buffer).getBigUint64(HEADER_BYTES, true))
  chain.complete(scatter(chain.writable, Uint8Array.of(taken ? OK : ERR)))
}
