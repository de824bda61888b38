/**
 * What a byte-stream device (serial port, console port) writes to and reads from.
 * Devices know these two shapes only; what stands behind them (a pipe, a terminal, a buffer) is the machine's business.
 */

export interface ByteSink {
  /** Takes as many leading bytes as it can right now and says how many; the rest is offered again after `onDrain`. */
  write(bytes: Uint8Array): number
  /** Registers the one listener that is told when a sink that took too little has room again. */
  onDrain(listener: () => void): void
  /** Resolves when bytes taken earlier have left the process. A sink without it holds none back. */
  flush?(): Promise<void>
}

/** A sink that ends in a file descriptor of the host. */
export interface FdSink extends ByteSink {
  flush(): Promise<void>
  /** Releases what the sink opened itself; the descriptor given stays open. */
  close(): void
}

export interface ByteSource {
  /** Moves waiting bytes into the buffer and says how many; 0 means none now. */
  read(into: Uint8Array): number
  /** Registers the one listener that is told when bytes arrive after a read that gave 0. */
  onReadable(listener: () => void): void
}
