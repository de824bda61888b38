/** Streams between host programs and a guest with a driver for them: `vsock.sock` in the instance's own directory. */
import { join } from 'node:path'
import { listenVsock } from '../backends/vsock-sockets.ts'
import { virtioVsock } from '../devices/virtio-vsock.ts'
import { VSOCK_SOCKET } from '../instance/record.ts'
import type { Attached } from './attach.ts'

/** The first that is not reserved. Guests do not see each other, so that all can have the same. virtio 1.2 §5.10.4 */
const GUEST_CID = 3

export async function attachVsock(directory: string): Promise<Attached> {
  const path = join(directory, VSOCK_SOCKET)
  const backend = await listenVsock(path)
  return {
    devices: [virtioVsock({ backend, guestCid: GUEST_CID })],
    commandLine: '',
    threads: 0,
    describe: () => ({ vsock: { path, guestCid: GUEST_CID } }),
    close: () => backend.close(),
  }
}
