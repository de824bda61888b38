/** Names of instances for a shell to offer: reads, makes nothing, and says nothing when there is nothing to read. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isInstanceName } from '../../instance/name.ts'
import { isAlive } from '../../instance/process-identity.ts'
import { isLive, readRecord } from '../../instance/record.ts'
import { stateRoots } from '../../instance/state-root.ts'
import type { Candidate } from './candidates.ts'

/** Nobody reads what stands beside so many names, and finding it out takes longer than anybody wants to wait. */
const MOST_DESCRIBED = 100
/** A state is offered by its word; anything else in its place is not for a terminal. */
const PLAIN_WORD = /^[a-z]{1,20}$/

export function instanceCandidates(begin: string, states?: readonly string[]): Candidate[] {
  let directory: string
  let names: string[]
  try {
    const { run } = stateRoots()
    directory = join(run, 'instances')
    names = (states?.every(isLiveStatus) ? liveNames(run) : readdirSync(directory)).filter(
      (name) => name.startsWith(begin) && isInstanceName(name),
    )
  } catch {
    return []
  }
  if (states === undefined && names.length > MOST_DESCRIBED) return names.map((word) => ({ word }))
  return names.flatMap((word) => {
    const record = readRecord(join(directory, word), word)
    if (!record) return states === undefined ? [{ word }] : []
    const { state, config } = record
    const status = isLive(state) && !isAlive(state.owner) ? 'crashed' : state.status
    if (states !== undefined && !states.includes(status)) return []
    return [{ word, describe: [config.spec.isolation, status].filter((text) => PLAIN_WORD.test(text)).join(', ') }]
  })
}

const isLiveStatus = (status: string): boolean => status === 'running' || status === 'paused'

/** From the markers of those that run (store.ts): their number is that of processes, not of all that ever ran. */
const liveNames = (run: string): string[] => [
  ...new Set(readdirSync(join(run, 'live')).map((marker) => marker.replace(/^\d+-\d+-/, ''))),
]
