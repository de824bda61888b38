/** A byte source with a gate: while it is shut there is nothing to read, and what went through is counted. */
import type { ByteSource } from './streams.ts'

export interface GatedSource extends ByteSource {
  /** Bytes that went through. */
  readonly delivered: number
  shut(): void
  open(): void
}

export function createGatedSource(source: ByteSource): GatedSource {
  let delivered = 0
  let isShut = false
  /** Somebody found nothing, or something came, while it was shut. */
  let asked = false
  let readable = () => {}
  source.onReadable(() => {
    if (isShut) asked = true
    else readable()
  })
  return {
    get delivered() {
      return delivered
    },
    read(into) {
      if (isShut) {
        asked ||= into.length > 0
        return 0
      }
      const count = source.read(into)
      delivered += count
      return count
    },
    onReadable(listener) {
      readable = listener
    },
    shut() {
      isShut = true
    },
    open() {
      isShut = false
      if (!asked) return
      asked = false
      readable()
    },
  }
}
