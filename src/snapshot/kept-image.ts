/** An image whose files are open as long as anybody keeps it. */
import type { MemoryImage } from '../memory/memory-image.ts'

/** @param close called once, when the last one has let go. @returns it, kept for the first time */
export function keptImage(image: MemoryImage, close: () => void): { memory: MemoryImage; letGo: () => void } {
  let users = 0
  const keep = () => {
    users++
    let kept = true
    return () => {
      if (!kept) return
      kept = false
      if (--users === 0) close()
    }
  }
  return { memory: { ...image, keep }, letGo: keep() }
}
