/** What the help and the manual page of `cloister` itself say, and how they group the commands. */
import type { Command } from './command.ts'

export const OVERVIEW =
  'Run an unmodified Linux program in a container, or in a virtual machine with a guest kernel of its own, and measure what each wall costs and hides. No daemon is needed.'

export const OVERVIEW_EXAMPLES: Command['examples'] = [
  ['cloister doctor', 'see what this host can run'],
  ['cloister run /bin/busybox echo hello', 'a program in a virtual machine of its own'],
  ['cloister compare /bin/busybox -- sha256sum /bin/busybox', 'the same program at every level'],
]

const GROUPS: readonly { readonly title: string; readonly names: readonly string[] }[] = [
  { title: 'Run and compare', names: ['run', 'compare', 'bench'] },
  { title: 'Work inside instances', names: ['exec', 'cp', 'top'] },
  { title: 'Look at instances', names: ['ps', 'logs', 'attach', 'stats', 'inspect', 'events'] },
  { title: 'Networks', names: ['network create', 'network ls', 'network inspect', 'network rm'] },
  { title: 'Steer instances', names: ['stop', 'kill', 'pause', 'resume', 'update', 'wait', 'rm'] },
]
const OTHERS = 'This host and Cloister itself'

export interface CommandGroup {
  readonly title: string
  readonly members: readonly Command[]
}

/** Those that people may type. */
export function groupsOf(commands: readonly Command[]): CommandGroup[] {
  const shown = commands.filter(({ hidden }) => !hidden)
  const grouped = GROUPS.map(({ title, names }) => ({
    title,
    members: names.flatMap((name) => shown.filter((command) => command.name === name)),
  }))
  const others = shown.filter((command) => !grouped.some(({ members }) => members.includes(command)))
  return [...grouped, { title: OTHERS, members: others }].filter(({ members }) => members.length > 0)
}
