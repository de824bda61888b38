/** What a machine has for a kernel of the user's own: ours knows its devices by the command line, its clock by KVM's. */
import type { RunSpec } from '../instance/run-spec.ts'

export const hasAcpi = ({ kernel, append = '' }: RunSpec): boolean =>
  kernel !== undefined && !/(^|\s)acpi=off(\s|$)/.test(append)

export const hasPit = ({ kernel }: RunSpec): boolean => kernel !== undefined
