/** Opens the control socket of an instance that runs in the foreground, and closes it with the last answers. */
import { serveControl } from '../control/server.ts'
import type { ExitResult, Instance } from '../instance/instance.ts'
import { writeDescription } from '../instance/record.ts'
import type { ClaimedInstance } from '../instance/store.ts'
import { hold } from './held.ts'

export async function openControl(instance: Instance, claimed: ClaimedInstance) {
  const held = hold(instance, claimed)
  writeDescription(claimed.directory, instance.describe())
  const server = await serveControl(claimed.directory, held.operations)
  return {
    async finish(result: ExitResult): Promise<ExitResult> {
      const told = held.finish(result)
      await server.close()
      return told
    },
  }
}
