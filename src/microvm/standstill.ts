/**
 * A microVM that stands still: because its user wants it to, or for the moment of a snapshot, during which its programs are
 * held and its agent's connection is ended.
 */
import { HostError, type UsageError } from '../errors.ts'
import type { SnapshotFacts, SnapshotOrder } from '../instance/instance.ts'
import type { Guest } from './guest.ts'
import type { SnapshotSubject } from './snapshot.ts'
import { withResolvers } from './with-resolvers.ts'

export interface StandstillHost {
  /** Its end is under way: what is being saved is of no use. */
  readonly calledOff: AbortSignal
  isOver(): boolean
  /** Undefined when it is over before. */
  unlessOver<T>(work: Promise<T>): Promise<T | undefined>
  /** Its programs would stand still for good. */
  onLost(reason: Error): void
}

export class Standstill {
  readonly #host: StandstillHost
  #paused = false
  /** Its programs are held while it stands still; this lets them go on. */
  #goOnLater: (() => Promise<void>) | undefined
  /** Until its programs are held no longer. */
  #held: Promise<void> | undefined
  readonly #beingStarted = new Set<Promise<unknown>>()
  /** A snapshot is being written. */
  #saving: Promise<void> | undefined

  constructor(host: StandstillHost) {
    this.#host = host
  }

  get paused(): boolean {
    return this.#paused
  }

  async pause({ machine }: Guest): Promise<void> {
    await machine.pause()
    this.#paused = true
  }

  async resume(guest: Guest | undefined): Promise<void> {
    this.#paused = false
    guest?.machine.resume()
    const goOn = this.#goOnLater
    this.#goOnLater = undefined
    await goOn?.()
  }

  /** A further program is started when none are held, and until it has been none will be. */
  async starting<T>(start: () => Promise<T>): Promise<T> {
    await this.#held
    const started = start()
    this.#beingStarted.add(started)
    return await started.finally(() => this.#beingStarted.delete(started))
  }

  /** @param ended the error to throw when that is why */
  async snapshot(subject: SnapshotSubject, asked: SnapshotOrder, ended: () => UsageError): Promise<SnapshotFacts> {
    const goesOn = withResolvers<void>()
    this.#held = goesOn.promise
    try {
      return await this.#save(subject, asked, goesOn.resolve)
    } catch (error) {
      const { calledOff } = this.#host
      throw calledOff.aborted || (this.#host.isOver() && !(error instanceof HostError)) ? ended() : error
    } finally {
      goesOn.resolve()
    }
  }

  /** What a snapshot reads stays until it is written. */
  async saved(): Promise<void> {
    await this.#saving
  }

  async #save(subject: SnapshotSubject, asked: SnapshotOrder, goesOn: () => void): Promise<SnapshotFacts> {
    const { holdPrograms, saveMicrovm } = await import('./snapshot.ts')
    const paused = this.#paused
    const { calledOff: signal } = this.#host
    // What is half started could not be told so over another connection.
    await Promise.allSettled(this.#beingStarted)
    const hold = () => holdPrograms(subject, (reason) => this.#host.onLost(reason))
    // One that stands still since its last snapshot is as it has to be.
    const goOn = this.#goOnLater ?? (await this.#runningMeanwhile(subject.guest, hold))
    if (paused) {
      this.#goOnLater = goOn
      return await this.#untilSaved(saveMicrovm(subject, asked, { paused, onContinued: () => {}, signal }))
    }
    const { promise: continued, resolve: onContinued } = withResolvers<void>()
    const saved = this.#untilSaved(saveMicrovm(subject, asked, { paused, onContinued, signal }))
    saved.catch(() => {}).then(() => onContinued())
    await continued
    // The files are written beside its work.
    await this.#host.unlessOver(goOn())
    goesOn()
    return await saved
  }

  #untilSaved<T>(saved: Promise<T>): Promise<T> {
    this.#saving = saved.then(
      () => {},
      () => {},
    )
    return saved
  }

  /** What stands still answers nobody. */
  async #runningMeanwhile<T>(guest: Guest, work: () => Promise<T>): Promise<T> {
    if (!this.#paused) return await work()
    this.#paused = false
    guest.machine.resume()
    try {
      return await work()
    } finally {
      await guest.machine.pause()
      this.#paused = true
    }
  }
}
