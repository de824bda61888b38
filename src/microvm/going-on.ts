/** A guest that goes on from a snapshot of its user's: its program was held in another guest, and goes on in this one. */
import { type Agent, agentClient } from '../agent/client.ts'
import type { Hello } from '../agent/messages.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { deadline } from './deadline.ts'
import { type Guest, type GuestOrder, openGuest, RestoreFailure } from './guest.ts'
import type { Asked, StartHost } from './guest-start.ts'
import type { Resumption } from './snapshot.ts'

/** One that goes on answers in milliseconds, on a host with time for it. */
const RESTORE_MS = 60_000

export async function openResumption(spec: RunSpec): Promise<Resumption | undefined> {
  if (spec.from === undefined) return undefined
  const { resumeFrom } = await import('./snapshot.ts')
  return await resumeFrom({ ...spec, from: spec.from })
}

/** The machine, made and not started. */
export async function openFrom(order: GuestOrder, from: Resumption): Promise<Guest> {
  const context = { ...order.context, ownFiles: from.ownFiles }
  try {
    return await openGuest({ ...order, spec: from.spec, context }, from.snapshot)
  } catch (error) {
    throw error instanceof RestoreFailure ? error.cause : error
  } finally {
    from.close()
  }
}

type GoingOnHost = Pick<StartHost, 'isPaused' | 'unlessOver' | 'onAgent'> & { onGreeted(hello: Hello): void }

/** Of a machine that was started. @returns undefined when it is over before */
export async function goOnFrom(spec: RunSpec, guest: Guest, host: GoingOnHost): Promise<Asked | undefined> {
  const { goOnAs, notHeld } = await import('./snapshot.ts')
  const late = deadline(RESTORE_MS, () => host.isPaused())
  const inTime = <T>(work: Promise<T>) => host.unlessOver(Promise.race([work, late.failed]))
  try {
    const stream = await inTime(guest.agentStream())
    if (!stream) return undefined
    const agent: Agent = agentClient(stream, { isPaused: () => host.isPaused() })
    host.onAgent(agent)
    const hello = await inTime(agent.hello())
    if (!hello) return undefined
    host.onGreeted(hello)
    const main = hello.sessions.find((session) => session.main)
    if (!main || !hello.held) throw notHeld()
    const { released, session } = goOnAs(spec, guest, agent, main.id)
    return { configured: released, started: Promise.resolve(session) }
  } finally {
    late.clear()
  }
}
