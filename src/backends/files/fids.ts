/** What a client has in hand: files by numbers of its own choice. Each takes a descriptor of ours, so there is an end to it. */
import { EBADF, EINVAL, ENFILE, ESTALE } from '../../../kvm-bindings/constants.ts'
import { close } from '../../../kvm-bindings/ffi.ts'
import { Refusal } from './refusal.ts'

/** A descriptor that stays open as long as somebody uses it: its number may mean another file right after. */
export class OpenFile {
  readonly fd: number
  #users = 1

  constructor(fd: number) {
    this.fd = fd
  }

  hold(): void {
    this.#users++
  }

  release(): void {
    if (--this.#users === 0) close(this.fd)
  }
}

export interface Fid {
  /** Whom it was attached for, as the guest counts users. */
  readonly uid: number
  /** Undefined when it could not be opened again after a restore. */
  readonly file: OpenFile | undefined
  /** The shared directory itself. */
  readonly isRoot: boolean
  /** Of open(2); undefined for one that only names a file. */
  readonly flags: number | undefined
}

/** One whose file is there. */
export type LiveFid = Fid & { readonly file: OpenFile }

export class FidTable {
  readonly #fids = new Map<number, Fid>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** @throws Refusal */
  get(number: number): LiveFid {
    const fid = this.#fids.get(number)
    if (fid === undefined) throw new Refusal(EBADF)
    if (fid.file === undefined) throw new Refusal(ESTALE)
    return fid as LiveFid
  }

  /** Before anything is opened for it. @throws Refusal when there cannot be one more under this number */
  checkNew(number: number): void {
    if (this.#fids.has(number)) throw new Refusal(EINVAL)
    if (this.#fids.size >= this.#max) throw new Refusal(ENFILE)
  }

  /** In the place of what was there. */
  set(number: number, fid: Fid): void {
    this.#fids.get(number)?.file?.release()
    this.#fids.set(number, fid)
  }

  /** @throws Refusal when there is none */
  remove(number: number): void {
    const fid = this.#fids.get(number)
    if (fid === undefined) throw new Refusal(EBADF)
    this.#fids.delete(number)
    fid.file?.release()
  }

  clear(): void {
    for (const fid of this.#fids.values()) fid.file?.release()
    this.#fids.clear()
  }

  get size(): number {
    return this.#fids.size
  }

  entries(): IterableIterator<[number, Fid]> {
    return this.#fids.entries()
  }
}
