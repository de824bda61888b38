/** The hidden command by which `run -d` starts the process that holds the instance. */
import { runHolder } from '../../holder/holder.ts'
import { claimRunRoot } from '../../instance/state-root.ts'
import { InstanceStore } from '../../instance/store.ts'
import type { CommandContext } from '../command.ts'

export const run = ({ leaveBy }: CommandContext): Promise<number> =>
  runHolder(() => new InstanceStore(claimRunRoot()), leaveBy)
