/** What an instance is made of, put on record for `inspect`. */
import type { Instance } from '../instance/instance.ts'
import { writeDescription } from '../instance/record.ts'

/** A program may end while it is looked at, and the disk may be full: neither is a reason to end an instance. */
export function recordDescription(instance: Instance, directory: string): void {
  try {
    writeDescription(directory, instance.describe())
  } catch {
    // Then `inspect` knows what was asked, and how it ended.
  }
}
