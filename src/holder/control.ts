/** Opens the control socket of an instance that runs in the foreground, and closes it with the last answers. */
import { serveControl } from '../control/server.ts'
import type { ExitResult, Instance } from '../instance/instance.ts'
import type { ClaimedInstance } from '../instance/store.ts'
import { recordDescription } from './description.ts'
import { hold } from './held.ts'

/** By then a VMM of the foreground has joined its control group (vmm/vmm-cgroup.ts), which belongs on record. */
const SETTLED_MS = 2000

export async function openControl(instance: Instance, claimed: ClaimedInstance, { settledMs = SETTLED_MS } = {}) {
  const held = hold(instance, claimed)
  const describe = () => recordDescription(instance, claimed.directory)
  describe()
  const server = await serveControl(claimed.directory, held.operations)
  const again = setTimeout(describe, settledMs).unref()
  return {
    async finish(result: ExitResult): Promise<ExitResult> {
      clearTimeout(again)
      const told = held.finish(result)
      await server.close()
      return told
    },
  }
}
