/** The connection to an agent, as its client sees it: bytes in order, both ways. */
export interface AgentTransport {
  /** Takes all of them; they are the transport's from now on. What is under way is bounded by the agent's credit. */
  send(bytes: Uint8Array): void
  /**
   * Registers the one listener. The bytes, in any slices, are the listener's during the call only. It always takes
   * them: what may come is bounded by the credit that the agent was granted.
   */
  onData(listener: (bytes: Uint8Array) => void): void
  /** Registers the one listener for the end, told once. `reason` when it was no orderly one. */
  onClosed(listener: (reason?: Error) => void): void
  /** We send nothing more; the agent closes its end then, and the listener hears of it. */
  end(): void
  /** Gives it up at once. The listener hears of it. */
  destroy(): void
}
