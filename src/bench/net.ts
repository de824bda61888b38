/**
 * A network card under load: the same guest kernel (guest-kernel/tests/net-load.c) on the same tap, so that what differs
 * is the VMM. The host's part is net-partner.ts; what it does by itself costs both sides alike.
 */
import { netLoadPath } from '../paths.ts'
import { type Contender, ContenderRefused, type Launcher } from './contender.ts'
import { GUEST_SETTINGS } from './frames.ts'
import type { Question } from './measurement.ts'
import { NetPartner, type WireEnd } from './net-partner.ts'
import { timeProcess } from './process-run.ts'
import type { Entrant, Values } from './rounds.ts'
import { Wire } from './wire.ts'

/** Of each load, and of each depth of echoes. */
const LOAD_MS = 300
/** Until the guest gives up waiting for the word that echoes are over. */
const ECHO_PATIENCE_MS = 30_000
const DEPTHS = [1, 16]

const LOADS = (['transmit', 'receive', 'echo'] as const).flatMap((what) => [
  { what, bytes: 60 },
  { what, bytes: 1514 },
])
type Load = (typeof LOADS)[number]

const idOf = ({ what, bytes }: Load) => `${what}-${bytes}`

export const NET_QUESTIONS: readonly Question[] = LOADS.flatMap((load) => {
  const { what, bytes } = load
  const id = idOf(load)
  const titles: Readonly<Record<string, string>> = {
    transmit: `A frame of ${bytes} bytes out of the guest, as fast as its queue takes them`,
    'transmit-arrived': `A frame of ${bytes} bytes out of the guest, counted by the host`,
    receive: `A frame of ${bytes} bytes into the guest, while its tap's queue is kept full`,
  }
  const question = (suffix: string, title: string) => ({ id: `${id}${suffix}`, title, unit: 'ns' as const })
  if (what === 'transmit') return [question('', titles.transmit!), question('-arrived', titles['transmit-arrived']!)]
  if (what === 'receive') return [question('', titles.receive!)]
  return DEPTHS.map((depth) =>
    question(
      `-${depth}`,
      `An echo of ${bytes} bytes into the guest and back, ${depth === 1 ? 'one' : depth} under way at a time`,
    ),
  )
})

/** The wire that all contenders share, taking turns; made for the first of them. */
export interface SharedWire {
  get(): Wire
  close(): Promise<void>
}

export function sharedWire(): SharedWire {
  let wire: Wire | undefined
  return {
    get: () => {
      wire ??= new Wire()
      return wire
    },
    close: async () => wire?.close(),
  }
}

export function netEntrant(
  contender: Contender,
  { wire: shared, abort }: { readonly wire: SharedWire; readonly abort: AbortSignal },
): Entrant {
  let launch: Launcher | undefined
  return {
    contender,
    measure: async () => {
      const wire = shared.get()
      launch ??= contender.prepareLoad!({
        kernel: netLoadPath,
        bootOptions: [GUEST_SETTINGS],
        args: LOADS.flatMap(({ what, bytes }) =>
          [what, bytes, what === 'echo' ? ECHO_PATIENCE_MS : LOAD_MS].map(String),
        ),
        tap: wire.guest,
      })
      const failure = new AbortController()
      const signal = AbortSignal.any([abort, failure.signal])
      const talk = new Talk(wire, signal, (error) => failure.abort(error))
      await timeProcess(contender, launch(), signal, (line) => talk.hear(line))
      return talk.figures()
    },
  }
}

/** What a guest says, and what is done about it. */
export class Talk {
  readonly #wire: WireEnd
  readonly #abort: AbortSignal
  readonly #fail: (error: Error) => void
  readonly #values: Record<string, number> = {}
  #partner: NetPartner | undefined
  #arrivedBefore = 0
  /** The load whose figure is still to come. */
  #current: string | undefined

  constructor(wire: WireEnd, abort: AbortSignal, fail: (error: Error) => void) {
    this.#wire = wire
    this.#abort = abort
    this.#fail = fail
  }

  hear(line: string): void {
    const [word, ...rest] = line.trim().split(' ')
    if (word === 'go') this.#act(rest[0]!, Number(rest[1])).catch((error: Error) => this.#fail(error))
    else if (rest.length === 3) this.#note(`${word}-${rest[0]}`, Number(rest[1]), Number(rest[2]))
  }

  /** The figures so far. */
  get heard(): Values {
    return this.#values
  }

  /** @throws ContenderRefused when a figure is missing */
  figures(): Values {
    const missing = NET_QUESTIONS.find(({ id }) => !((this.#values[id] ?? 0) > 0 && Number.isFinite(this.#values[id])))
    if (missing) throw new ContenderRefused(`its guest gave no figure for ${missing.id}`)
    return this.#values
  }

  async #act(what: string, bytes: number): Promise<void> {
    this.#partner ??= await NetPartner.find(this.#wire, this.#abort)
    const id = `${what}-${bytes}`
    this.#current = id
    this.#arrivedBefore = this.#wire.counts().arrived
    this.#partner.tell()
    if (what === 'receive') await this.#partner.flood(bytes, () => this.#current !== id || this.#abort.aborted)
    if (what !== 'echo') return
    for (const depth of DEPTHS) this.#values[`${id}-${depth}`] = await this.#partner.echoes(bytes, depth, LOAD_MS)
    this.#partner.tell()
  }

  #note(id: string, frames: number, ns: number): void {
    this.#current = undefined
    if (id.startsWith('echo')) return
    this.#values[id] = ns / frames
    if (id.startsWith('transmit'))
      this.#values[`${id}-arrived`] = ns / (this.#wire.counts().arrived - this.#arrivedBefore)
  }
}
