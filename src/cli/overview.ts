/** What the help and the manual page of `cloister` itself say. */
import type { Command } from './command.ts'

export const OVERVIEW_EXAMPLES: Command['examples'] = [
  ['cloister doctor', 'see what this host can run'],
  ['cloister run /bin/busybox echo hello', 'a program in a virtual machine of its own'],
  ['cloister compare /bin/busybox -- sha256sum /bin/busybox', 'the same program at every level'],
]
