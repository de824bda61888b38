/**
 * How a guest comes to be asked for its program: by a boot, or from a snapshot of one that had booted (`booted`), or of one
 * that had also mounted this root and read this program's file (`rooted`). The first of its kind leaves these behind.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Agent, agentClient } from '../agent/client.ts'
import type { Hello } from '../agent/messages.ts'
import type { AgentSession } from '../agent/session.ts'
import type { AgentTransport } from '../agent/transport.ts'
import { Unanswered } from '../backends/vsock-ports.ts'
import type { TerminalSize } from '../instance/instance.ts'
import { mainProcess } from './agent-process.ts'
import { deadline, TooLate } from './deadline.ts'
import { type Guest, type GuestOrder, openGuest, RestoreFailure } from './guest.ts'
import { guestConfig, rootConfig } from './guest-config.ts'
import type { WarmStart } from './warm.ts'

/** By then a kernel that is not stuck has started its init, even one that is emulated by an emulated processor. */
const BOOT_MS = 300_000
/** One that has booted before answers in milliseconds, on a host with time for it. */
const RESTORE_MS = 60_000

/** By then a kernel has nothing left to do. */
const SETTLING_MS = 10
const SETTLING_EMULATED_MS = 200

/** What its instance has to say meanwhile, and to hear. */
export interface StartHost {
  readonly log: (line: string) => void
  terminal(): TerminalSize
  isPaused(): boolean
  /** How it ends is settled. */
  isOver(): boolean
  /** Undefined when it is over before. */
  unlessOver<T>(work: Promise<T>): Promise<T | undefined>
  /** Memory for its snapshot, until what this returns is called. */
  makeRoom(): () => void
  onMade(guest: Guest): void
  onAgent(agent: Agent): void
  /** From here on the guest's end is the instance's. */
  onGreeted(hello: Hello, guest: Guest): void
}

export interface WarmWays {
  readonly booted?: WarmStart | undefined
  readonly rooted?: WarmStart | undefined
  /** In the guest: what its start reads, to be read before it is saved. */
  readonly files: readonly string[]
}

/** The agent's answers, which are on their way. */
export interface Asked {
  readonly configured: Promise<void>
  readonly started: Promise<AgentSession>
}

export class GuestStart {
  readonly #order: GuestOrder
  readonly #ways: WarmWays
  readonly #host: StartHost
  /** Which of them this guest goes on from. */
  #way: WarmStart | undefined
  #saving: Promise<void> = Promise.resolve()
  readonly #calledOff = new AbortController()

  constructor(order: GuestOrder, ways: WarmWays, host: StartHost) {
    this.#order = order
    this.#ways = ways
    this.#host = host
  }

  /** The machine, made and not started: from the nearest snapshot that there is. */
  async open(): Promise<Guest> {
    for (const way of [this.#ways.rooted, this.#ways.booted]) {
      const found = await way?.find()
      if (!found || !way) continue
      try {
        const guest = await openGuest(this.#order, found)
        this.#way = way
        return guest
      } catch (error) {
        if (!(error instanceof RestoreFailure)) throw error
        way.discard(error.message)
      } finally {
        found.close()
      }
    }
    return await openGuest(this.#order)
  }

  /** Of a machine that was started. @returns undefined when it is over before. @throws what kept it from getting so far */
  async ask(guest: Guest): Promise<Asked | undefined> {
    if (!this.#way) return await this.#askBooting(guest)
    try {
      return await this.#askRestored(guest, this.#way)
    } catch (error) {
      if (this.#host.isOver()) return undefined
      if (!(error instanceof RestoreFailure)) throw error
      if (error.cause instanceof TooLate || error.cause instanceof Unanswered) this.#way.late(error.message)
      else this.#way.discard(error.message)
      this.#way = undefined
      await guest.close()
      const booting = await openGuest(this.#order)
      this.#host.onMade(booting)
      return await this.#askBooting(booting)
    }
  }

  /** Resolves when what the next guest will go on from is written. */
  saved(): Promise<void> {
    return this.#saving
  }

  callOff(): void {
    this.#calledOff.abort()
  }

  /** Until its agent says HELLO nothing can have happened in it. @throws RestoreFailure when it does not */
  async #askRestored(guest: Guest, way: WarmStart): Promise<Asked | undefined> {
    const { rooted } = this.#ways
    const isRooted = way === rooted
    const toRoot = !isRooted && rooted?.seenBefore()
    const late = deadline(RESTORE_MS, () => this.#host.isPaused())
    const ended = guest.machine.ended.then(() => Promise.reject(new Error('its machine has ended')))
    const proven = <T>(work: Promise<T>) => this.#host.unlessOver(Promise.race([work, ended, late.failed]))
    let asked: Asked | undefined
    let agent: Agent | undefined
    try {
      const stream = await proven(guest.agentStream())
      if (!stream) return undefined
      agent = this.#newAgent(stream)
      // All that there is to say goes at once: a packet is what costs.
      if (!toRoot) asked = this.#askProgram(agent, guest, isRooted)
      const hello = await proven(agent.hello())
      if (!hello) return undefined
      way.inTime()
      this.#host.onGreeted(hello, guest)
    } catch (error) {
      agent?.close()
      throw new RestoreFailure((error as Error).message, { cause: error })
    } finally {
      late.clear()
    }
    return asked ?? (await this.#askInRoot(agent, guest))
  }

  async #askBooting(guest: Guest): Promise<Asked | undefined> {
    const late = deadline(BOOT_MS, () => this.#host.isPaused())
    const proven = <T>(work: Promise<T>) => this.#host.unlessOver(Promise.race([work, late.failed]))
    try {
      const stream = await proven(guest.agentStream())
      if (!stream) return undefined
      const agent = this.#newAgent(stream)
      const hello = await proven(agent.hello())
      if (!hello) return undefined
      this.#host.onGreeted(hello, guest)
      await this.#host.unlessOver(this.#keep(this.#ways.booted, agent, guest))
      return await this.#askInRoot(agent, guest)
    } finally {
      late.clear()
    }
  }

  /** Mounts its root and has the program read before, so that the next one need not. */
  async #askInRoot(agent: Agent, guest: Guest): Promise<Asked | undefined> {
    const { rooted, files } = this.#ways
    if (rooted && !this.#host.isOver()) {
      await this.#host.unlessOver(agent.configure(rootConfig(this.#order.spec, guest.devices, files)))
      await this.#host.unlessOver(this.#keep(rooted, agent, guest))
    }
    return this.#host.isOver() ? undefined : this.#askProgram(agent, guest, rooted !== undefined)
  }

  #newAgent(stream: AgentTransport): Agent {
    const agent = agentClient(stream, { isPaused: () => this.#host.isPaused() })
    this.#host.onAgent(agent)
    return agent
  }

  /** No stream may be in a snapshot: the agent's is ended before, and made anew. */
  async #keep(way: WarmStart | undefined, agent: Agent, guest: Guest): Promise<void> {
    if (!way) return
    await this.#saving
    await agent.detach()
    // The end of a connection leaves work behind, which every guest that goes on from here would do.
    await sleep(this.#order.linux.flavour === 'software-kvm' ? SETTLING_EMULATED_MS : SETTLING_MS)
    const takeBack = this.#host.makeRoom()
    await new Promise<void>((continued) => {
      this.#saving = way
        .save(guest, continued, this.#calledOff.signal)
        .catch((error: Error) => this.#host.log(`the next one starts as this one did: ${error.message}`))
        .finally(() => {
          takeBack()
          continued()
        })
    })
    agent.reconnect(await guest.agentStream())
  }

  /** @param isRooted its root is mounted already */
  #askProgram(agent: Agent, { devices, exchanged }: Guest, isRooted: boolean): Asked {
    const { root: _, ...rest } = guestConfig(this.#order.spec, devices, exchanged)
    const configured = agent.configure(isRooted ? rest : guestConfig(this.#order.spec, devices, exchanged))
    const started = agent.start(mainProcess(this.#order.spec, this.#host.terminal()))
    for (const answer of [configured, started]) answer.catch(() => {})
    return { configured, started }
  }
}
