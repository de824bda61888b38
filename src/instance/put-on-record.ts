/** The end of an instance, written down where it can be: a full disk is no reason to lose the program's exit status. */
import type { ExitResult } from './instance.ts'
import type { ClaimedInstance } from './store.ts'

/** @returns what to tell the user */
export function putOnRecord(claimed: ClaimedInstance, result: ExitResult): ExitResult {
  try {
    claimed.finish(result)
    return result
  } catch (error) {
    const fault = `Cannot write down how "${claimed.name}" ended: ${(error as Error).message}.`
    return { ...result, report: result.report === undefined ? fault : `${result.report}\n  ${fault}` }
  }
}
