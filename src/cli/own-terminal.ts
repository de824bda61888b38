/** The terminal of whoever runs us, lent to a program: raw while it has it, and back as it was. */
import { isatty } from '../../kvm-bindings/ffi.ts'
import { enterRawMode, terminalSize } from '../../kvm-bindings/terminal.ts'
import { UsageError } from '../errors.ts'
import type { TerminalSize } from '../instance/instance.ts'

export interface OwnTerminal {
  /** Ours again. */
  giveBack(): void
}

/** To be asked before a program is started. @throws UsageError when it is to read from a terminal and there is none */
export function checkTerminal(interactive: boolean): void {
  if (!interactive || isatty(0)) return
  throw new UsageError('Cannot give the program a terminal: standard input is not one.', {
    hint: 'Leave -t out, or -i if the program reads nothing.',
  })
}

export const ownSize = (): TerminalSize | undefined => terminalSize(1) ?? terminalSize(0)

/**
 * @param interactive whether what is typed goes to the program
 * @param onSize told at once, and whenever the window changes
 * @param joined when the program reads it; until then Ctrl-C is for us
 * @throws UsageError as `checkTerminal`
 */
export function lendTerminal(
  interactive: boolean,
  onSize: (size: TerminalSize) => void,
  joined?: Promise<void>,
): OwnTerminal {
  checkTerminal(interactive)
  const tell = () => {
    const size = ownSize()
    if (size) onSize(size)
  }
  let leaveRawMode = () => {}
  let isOurs = false
  const lend = () => {
    if (interactive && !isOurs) leaveRawMode = enterRawMode(0)
  }
  if (joined) void joined.then(lend)
  else lend()
  // Also when a fault of ours ends this process before anybody gives it back.
  const restore = () => leaveRawMode()
  process.on('exit', restore)
  process.on('SIGWINCH', tell)
  tell()
  return {
    giveBack() {
      isOurs = true
      process.off('SIGWINCH', tell)
      process.off('exit', restore)
      leaveRawMode()
    },
  }
}
