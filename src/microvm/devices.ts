/** The devices of a microVM, in slot order, with what stands behind them on the host. */
import { join } from 'node:path'
import { AGENT_PORT } from '../agent/protocol.ts'
import { hostRandom } from '../backends/random-source.ts'
import { createVsockPorts, type VsockPorts } from '../backends/vsock-ports.ts'
import { listenVsock } from '../backends/vsock-sockets.ts'
import { virtioRng } from '../devices/virtio-rng.ts'
import { virtioVsock } from '../devices/virtio-vsock.ts'
import { VSOCK_SOCKET } from '../instance/record.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { type AttachContext, type Attached, attachAll, OPENERS } from '../vmm/attach.ts'
import { attachRootDisk, type RootDisk } from './root-disk.ts'

/** The first that is not reserved. Guests do not see each other, so that all can have the same. virtio 1.2 §5.10.4 */
const GUEST_CID = 3

export interface MicrovmDevices extends Attached {
  /** By which the agent is reached. */
  readonly ports: VsockPorts
  readonly root: RootDisk
}

/**
 * Disks come up as /dev/vda, /dev/vdb, ... in slot order: the user's first.
 * @param image path of the root image
 */
export async function attachMicrovm(spec: RunSpec, image: string, context: AttachContext): Promise<MicrovmDevices> {
  let root: RootDisk | undefined
  let ports: VsockPorts | undefined
  const attached = await attachAll([
    attachRng,
    ...(spec.disks?.length ? [() => OPENERS.disks(spec, context)] : []),
    () => {
      root = attachRootDisk(image, context)
      return root
    },
    () => OPENERS.network(spec, context),
    async () => {
      const vsock = await attachAgentVsock(context.directory)
      ports = vsock.ports
      return vsock
    },
    () => OPENERS.balloon(spec),
    ...(spec.volumes?.length ? [() => OPENERS.volumes(spec, context)] : []),
  ])
  return { ...attached, ports: ports!, root: root! }
}

const attachRng = (): Attached => ({
  devices: [virtioRng(hostRandom)],
  commandLine: '',
  threads: 0,
  describe: () => ({}),
  close: () => {},
})

/** The agent's port is this process's; the others are for programs of the host, by sockets in the instance's directory. */
async function attachAgentVsock(directory: string | undefined): Promise<Attached & { readonly ports: VsockPorts }> {
  const path = directory === undefined ? undefined : join(directory, VSOCK_SOCKET)
  const sockets = path === undefined ? undefined : await listenVsock(path)
  const ports = createVsockPorts(sockets, [AGENT_PORT])
  return {
    ports,
    devices: [virtioVsock({ backend: ports, guestCid: GUEST_CID })],
    commandLine: '',
    threads: 0,
    describe: () => (path === undefined ? {} : { vsock: { path, guestCid: GUEST_CID } }),
    close: () => sockets?.close(),
  }
}
