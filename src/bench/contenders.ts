/** Who is measured: names as they are said on the command line, and who of them is here. */
import type { Isolation } from '../instance/run-spec.ts'
import type { ContenderKind, UnavailableContender } from './bench-result.ts'
import { type Contender, ContenderRefused } from './contender.ts'
import { hostFloor, nodeFloor } from './floors.ts'
import { ociPeer } from './oci-peer.ts'
import { ownLevel } from './own-levels.ts'
import { qemuPeer } from './qemu-peer.ts'
import type { Scratch } from './scratch.ts'

export const PEER_NAMES = ['qemu', 'runc', 'crun', 'host', 'node'] as const
export type PeerName = (typeof PEER_NAMES)[number]

export interface Wanted {
  readonly levels: readonly Isolation[]
  readonly peers: readonly PeerName[]
  readonly memoryBytes: number
}

export interface Field {
  readonly present: readonly Contender[]
  readonly unavailable: readonly UnavailableContender[]
}

/** Levels first, then the others, as they were asked for. Whether they work here, a first run tells. */
export function assemble({ levels, peers, memoryBytes }: Wanted, scratch: Scratch): Field {
  const present: Contender[] = levels.map((level) => ownLevel(level, memoryBytes, scratch))
  const unavailable: UnavailableContender[] = []
  for (const name of peers) {
    try {
      present.push(makePeer(name, memoryBytes, scratch))
    } catch (error) {
      if (!(error instanceof ContenderRefused)) throw error
      unavailable.push({ name, kind: PEER_KINDS[name], reason: error.message })
    }
  }
  return { present, unavailable }
}

const PEER_KINDS: Readonly<Record<PeerName, ContenderKind>> = {
  qemu: 'peer',
  runc: 'peer',
  crun: 'peer',
  host: 'floor',
  node: 'floor',
}

function makePeer(name: PeerName, memoryBytes: number, scratch: Scratch): Contender {
  if (name === 'qemu') return qemuPeer(memoryBytes, scratch)
  if (name === 'host') return hostFloor(scratch)
  if (name === 'node') return nodeFloor(scratch)
  return ociPeer(name, scratch)
}
