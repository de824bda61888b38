/**
 * Guest RAM. New memory is an anonymous file (memfd), mapped shared: it costs nothing until the guest touches it. That of
 * a snapshot is mapped copy-on-write from the snapshot's own files.
 */
import { MAP_PRIVATE, MAP_SHARED } from '../../kvm-bindings/constants.ts'
import { close, munmap, viewMemory } from '../../kvm-bindings/ffi.ts'
import { discardPages, forgetPages } from '../../kvm-bindings/memory-advice.ts'
import { BugError } from '../errors.ts'
import { GuestMemory } from './guest-memory.ts'
import { mapImage, mapZeros } from './map-image.ts'
import { type ImagePiece, type MemoryImage, overlay, type PageRange, piecesIn } from './memory-image.ts'
import { ramLayout } from './memory-map.ts'
import { copyRanges, type MappedRegion, mapFile, newFile, type RamRegion, writtenRanges } from './ram-regions.ts'
import { sparseImage } from './sparse-image.ts'

export type { RamRegion } from './ram-regions.ts'

export interface Ram {
  readonly memory: GuestMemory
  readonly regions: readonly RamRegion[]
  /** The file behind new memory. */
  readonly memfd: number | undefined
  /**
   * Gives whole pages of a region back to the host. @param contents what the guest may find there afterwards: nothing but
   * zeros, or whatever it had there once
   * @returns bytes given back; fewer than asked where the promise costs more than it gives
   */
  discard(region: RamRegion, offset: number, length: number, contents: 'zeros' | 'any'): number
  /** While the guest stands still: keeps its memory of this moment, while it may go on. One at a time. */
  freeze(): FrozenRam
  /** Unmaps. Every view of the memory dies with it: only after vCPUs and devices have stopped. */
  close(): void
}

export interface FrozenRam {
  /** Made when first asked for, which need not be while the guest stands still; good until `thaw`, without the memory too. */
  image(): MemoryImage
  /** Of memory that came from an image: that, and where it may differ from it. */
  readonly since?: { readonly image: MemoryImage; readonly written: readonly PageRange[] }
  /** Whether the guest has to stand still for `thaw`. */
  readonly thawsPaused: boolean
  /** Its memory is as it was before the freeze, and the image gone. */
  thaw(): void
}

/** A smaller gift to the host is not worth a mapping of its own. */
const REMAPPED_MIN = 64 * 1024
/** Of the mappings that a process may have. */
const REMAPPED_MAX = 256

/** @param image what is in it; zeros unless said. @throws SyscallError when the host has no memory for the mapping. */
export const allocateRam = (bytes: number, image?: MemoryImage): Ram => new GuestRam(bytes, image)

class GuestRam implements Ram {
  readonly memory: GuestMemory
  readonly regions: readonly MappedRegion[]
  readonly memfd: number | undefined
  readonly #size: number
  readonly #letGo: (() => void) | undefined
  /** What the memory came from. */
  #origin: MemoryImage | undefined
  /** Behind the private mapping: the origin, and zeros where it was copied or remapped. */
  #image: MemoryImage | undefined
  /** Where that is zeros and the origin is not. */
  #zeroed: readonly PageRange[] = []
  #remappings = 0
  #frozen = false
  #closed = false

  constructor(bytes: number, image?: MemoryImage) {
    if (image && image.size !== bytes) throw new BugError(`Cannot map ${image.size} bytes as memory of ${bytes}.`)
    this.#size = bytes
    this.#origin = this.#image = image
    this.memfd = image ? undefined : newFile(bytes)
    this.#letGo = image?.keep?.()
    const mapped: MappedRegion[] = []
    const copied: PageRange[] = []
    this.regions = mapped
    try {
      let offset = 0
      for (const { gpa, size } of ramLayout(bytes)) {
        const part = image && mapImage(image, offset, size)
        const hva = part ? part.address : mapFile(this.memfd!, MAP_SHARED, offset, size)
        mapped.push({ gpa, size, hva, offset })
        for (const range of part?.copied ?? []) copied.push(range)
        offset += size
      }
      this.#zero(copied)
      this.memory = new GuestMemory(
        mapped.map(({ gpa, size, hva }) => ({
          gpa,
          size,
          view: (at, length) => new Uint8Array(viewMemory(hva + BigInt(at), length)),
        })),
      )
    } catch (error) {
      this.close()
      throw error
    }
  }

  discard({ hva }: RamRegion, offset: number, length: number, contents: 'zeros' | 'any'): number {
    const region = this.regions.find((one) => one.hva === hva)
    // The frozen pages are needed; a guest gives more than once.
    if (!region || this.#frozen || this.#closed || length <= 0) return 0
    if (!this.#image) {
      discardPages(hva + BigInt(offset), length)
      return length
    }
    let given = 0
    for (const piece of piecesIn(this.#image, region.offset + offset, length)) {
      if (this.#forget(region, piece, contents)) given += piece.length
    }
    return given
  }

  freeze(): FrozenRam {
    if (this.#frozen || this.#closed) throw new BugError('Cannot freeze this memory: it is frozen already, or gone.')
    const frozen = this.#image ? this.#copyWritten(this.#image, this.#origin!) : this.#setAside(this.memfd!)
    this.#frozen = true
    return frozen
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { hva, size } of this.regions) munmap(hva, size)
    this.#letFilesGo()
  }

  /** Whoever has the memory set aside reads from them, when the memory is gone too. */
  #letFilesGo(): void {
    if (!this.#closed || this.#frozen) return
    if (this.memfd !== undefined) close(this.memfd)
    this.#letGo?.()
  }

  /** New memory: the guest goes on with a private mapping of its file, which stays as it is. */
  #setAside(memfd: number): FrozenRam {
    try {
      this.#mapOver(memfd, MAP_PRIVATE)
    } catch (error) {
      // Part of it is private by now, or not mapped at all: nobody has written there yet.
      this.#mapOver(memfd, MAP_SHARED)
      throw error
    }
    let image: MemoryImage | undefined
    return {
      image: () => {
        image ??= sparseImage(memfd, this.#size)
        return image
      },
      thawsPaused: true,
      thaw: () => {
        this.#frozen = false
        if (!this.#closed) this.#putTogether(memfd)
        this.#letFilesGo()
      },
    }
  }

  /** What was written beside the memfd goes into it. */
  #putTogether(memfd: number): void {
    try {
      copyRanges(this.regions, writtenRanges(this.regions), memfd)
    } catch {
      // The host has no memory for it: the guest goes on as one that came from an image.
      this.#origin = this.#image = { size: this.#size, pieces: [{ offset: 0, length: this.#size, fd: memfd, at: 0 }] }
      return
    }
    this.#mapOver(memfd, MAP_SHARED)
  }

  /** The whole memfd, in place of what is mapped there. */
  #mapOver(memfd: number, kind: number): void {
    for (const { hva, size, offset } of this.regions) mapFile(memfd, kind, offset, size, hva)
  }

  /** Memory of an image: what was written since is copied, the rest stays where it is. */
  #copyWritten(image: MemoryImage, origin: MemoryImage): FrozenRam {
    const written = writtenRanges(this.regions)
    const file = newFile(this.#size)
    try {
      copyRanges(this.regions, written, file)
    } catch (error) {
      close(file)
      throw error
    }
    const copies = written.map(({ offset, length }): ImagePiece => ({ offset, length, fd: file, at: offset }))
    return {
      image: () => overlay(image, copies),
      since: { image: origin, written: written.concat(this.#zeroed) },
      thawsPaused: false,
      thaw: () => {
        close(file)
        this.#frozen = false
        this.#letFilesGo()
      },
    }
  }

  /** @returns whether anything could be given back */
  #forget(
    { hva, offset: begin }: MappedRegion,
    { offset, length, fd }: ImagePiece,
    contents: 'zeros' | 'any',
  ): boolean {
    const at = hva + BigInt(offset - begin)
    if (fd === undefined || contents === 'any') {
      forgetPages(at, length)
      return true
    }
    if (length < REMAPPED_MIN || this.#remappings++ >= REMAPPED_MAX) return false
    mapZeros(length, at)
    this.#zero([{ offset, length }])
    return true
  }

  /** Nothing of the image is behind these pages any more. */
  #zero(ranges: readonly PageRange[]): void {
    if (!this.#image || ranges.length === 0) return
    const zeros = ranges.map(({ offset, length }): ImagePiece => ({ offset, length, at: 0 }))
    this.#image = overlay(this.#image, zeros)
    this.#zeroed = this.#zeroed.concat(ranges)
  }
}
