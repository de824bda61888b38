/**
 * The host's side of a vsock device whose ports are partly this process's own: the agent's stream is held here, and all
 * other ports are those of the backend behind it, such as Unix sockets.
 */
import { HostError } from '../errors.ts'
import { createVsockDuplex, type VsockDuplex } from './vsock-duplex.ts'
import type { ConnectHandler, VsockBackend } from './vsock-streams.ts'

/** A guest that does not answer has no driver, or one that hangs. */
const OPENING_MS = 120_000

/** It may only be slow. */
export class Unanswered extends HostError {}

export interface VsockPorts extends VsockBackend {
  /**
   * The first stream that the guest asks for at this port of the host is this process's, and no other: programs of the
   * guest could ask for more.
   */
  acceptOne(hostPort: number): Promise<VsockDuplex>
  /** A stream to a port of the guest. @throws HostError when nobody listens there, or the guest does not answer */
  open(guestPort: number, options?: { readonly timeoutMs?: number }): Promise<VsockDuplex>
}

/**
 * @param others for the ports that are not this process's; nobody listens there unless said
 * @param reserved ports of the guest that only this process may reach
 */
export function createVsockPorts(others?: VsockBackend, reserved: readonly number[] = []): VsockPorts {
  let handler: ConnectHandler = () => undefined
  const awaited = new Map<number, (duplex: VsockDuplex) => void>()

  return {
    onConnect(given) {
      handler = given
      others?.onConnect((port, stream) => (reserved.includes(port) ? undefined : given(port, stream)))
    },
    connect(hostPort, listener) {
      const taken = awaited.get(hostPort)
      if (!taken) return others?.connect(hostPort, listener)
      awaited.delete(hostPort)
      const { duplex, stream, listen } = createVsockDuplex()
      listen(listener)
      queueMicrotask(() => {
        listener.opened()
        taken(duplex)
      })
      return stream
    },
    acceptOne: (hostPort) => new Promise((resolve) => awaited.set(hostPort, resolve)),
    open: (guestPort, { timeoutMs = OPENING_MS } = {}) =>
      new Promise((resolve, reject) => {
        const { duplex, stream, listen, onAccepted } = createVsockDuplex()
        const refuse = (reason: string, Refusal: typeof HostError = HostError) => {
          clearTimeout(timer)
          reject(new Refusal(`Cannot reach port ${guestPort} of the guest: ${reason}.`))
        }
        const timer = setTimeout(() => {
          refuse(`it did not answer within ${timeoutMs / 1000} s`, Unanswered)
          duplex.destroy()
        }, timeoutMs).unref()
        duplex.onClosed(() => refuse('nobody listens there'))
        onAccepted(() => {
          clearTimeout(timer)
          duplex.onClosed(() => {})
          resolve(duplex)
        })
        const listener = handler(guestPort, stream)
        if (listener) listen(listener)
        else refuse('its driver is not there yet, or takes no more')
      }),
  }
}
