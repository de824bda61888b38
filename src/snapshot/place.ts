/** Where the snapshots of this host are that have names: `<data root>/snapshots/NAME/`, for their owner only. */
import { join } from 'node:path'
import { stateRoots } from '../instance/state-root.ts'

export const snapshotsRoot = (): string => join(stateRoots().data, 'snapshots')
