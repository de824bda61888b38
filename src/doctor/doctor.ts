/** All checks, one after the other: some of them measure, and must not disturb each other. */
import { type Check, type CheckedFinding, type Finding, fail } from './check.ts'
import { containerChecks } from './containers.ts'
import { hostChecks } from './host.ts'
import { kvmChecks } from './kvm.ts'
import { networkChecks } from './networks.ts'

export const ALL_CHECKS: readonly Check[] = [...kvmChecks, ...containerChecks, ...networkChecks, ...hostChecks]

export async function examine(checks: readonly Check[] = ALL_CHECKS): Promise<CheckedFinding[]> {
  const findings: CheckedFinding[] = []
  for (const check of checks) findings.push({ id: check.id, title: check.title, ...(await attempt(check)) })
  return findings
}

/** A check that breaks says so in its own line and does not take the others with it. */
async function attempt(check: Check): Promise<Finding> {
  try {
    return await check.run()
  } catch (error) {
    return fail(`cannot be checked: ${(error as Error).message}`, 'Please report it.')
  }
}
