/** Every command of `cloister`, in the order of the help. */
import type { Command } from './command.ts'
import { bench } from './definitions/bench.ts'
import { complete, completion, doctor, help, version } from './definitions/host.ts'
import { cp, exec, top } from './definitions/inside.ts'
import {
  attach,
  events,
  inspect,
  kill,
  logs,
  pause,
  ps,
  resume,
  rm,
  stats,
  stop,
  update,
  wait,
} from './definitions/instances.ts'
import { compare } from './definitions/measure.ts'
import { networkCreate, networkInspect, networkLs, networkRm } from './definitions/network.ts'
import { hold, run } from './definitions/run.ts'
import {
  clone,
  snapshotCreate,
  snapshotInspect,
  snapshotLs,
  snapshotRestore,
  snapshotRm,
} from './definitions/snapshots.ts'

export const COMMANDS: readonly Command[] = [
  run,
  exec,
  cp,
  top,
  ps,
  inspect,
  logs,
  attach,
  wait,
  stop,
  kill,
  pause,
  resume,
  update,
  stats,
  events,
  rm,
  snapshotCreate,
  snapshotLs,
  snapshotInspect,
  snapshotRm,
  snapshotRestore,
  clone,
  networkCreate,
  networkLs,
  networkInspect,
  networkRm,
  compare,
  bench,
  doctor,
  completion,
  help,
  version,
  hold,
  complete,
]
