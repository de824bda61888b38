/**
 * What a vsock device talks to on the host: streams to programs, by the guest's and the host's port numbers. Devices
 * know these shapes only; Unix sockets stand behind them in vsock-sockets.ts, buffers in tests.
 */

/** The host's end of one stream, as the device holds it. Told `closed`, the device forgets it. */
export interface HostStream {
  /** About so many bytes of the host program may wait here for the guest; the program itself waits with the rest. */
  limitWaiting(bytes: number): void
  /**
   * Passes bytes on to the host program; they are the stream's from now on. It takes all of them: whoever sends keeps
   * what is under way within bounds, by `forwarded`.
   */
  send(bytes: Uint8Array): void
  /** Moves bytes of the host program into the buffer and says how many; 0 means none now. */
  receive(into: Uint8Array): number
  /** Bytes that `receive` has ready. */
  readonly waiting: number
  /** The host program sends nothing more. What it sent before may still wait. */
  readonly ended: boolean
  /** The guest took a stream that the host program asked for. The program is told the host's port. */
  accept(hostPort: number): void
  /** The guest sends nothing more. */
  endSending(): void
  /** The guest receives nothing more: what comes is thrown away. */
  endReceiving(): void
  /**
   * Both sides are done: what was sent still leaves. No listener is called any more.
   * @param over called when nothing of it is left here
   */
  close(over: () => void): void
  /** Gives it up, and what was under way with it. No listener is called any more. */
  abort(): void
}

/** What a stream tells the device, never from inside a call of the device's. */
export interface StreamListener {
  /** A stream that the guest asked for has its host program. */
  opened(): void
  /** Bytes wait after `receive` gave 0, or the host program ended its side. */
  readable(): void
  /** So many bytes have left this process. */
  forwarded(bytes: number): void
  /** Refused, failed, or the host program is gone; what it sent before may still be received. */
  closed(): void
}

/** A host program wants to talk to a port of the guest. @returns undefined to refuse, and the stream is not used */
export type ConnectHandler = (guestPort: number, stream: HostStream) => StreamListener | undefined

export interface VsockBackend {
  /** The guest wants to talk to a port of the host. @returns undefined when there can be no such stream now */
  connect(hostPort: number, listener: StreamListener): HostStream | undefined
  /** Registers the one device that is asked when host programs connect. */
  onConnect(handler: ConnectHandler): void
}
