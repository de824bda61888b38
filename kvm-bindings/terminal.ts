/** The terminal behind a descriptor: raw mode, and its size. termios(3), ioctl_tty(2) */
import { cFunction, ioctl, retrying } from './ffi.ts'

const cTcgetattr = cFunction('tcgetattr', 'int', ['int', 'void *'])
const cTcsetattr = cFunction('tcsetattr', 'int', ['int', 'int', 'void *'])
const cCfmakeraw = cFunction('cfmakeraw', 'void', ['void *'])

/** glibc's struct termios. */
const TERMIOS_BYTES = 60
const TCSADRAIN = 1

const TIOCGWINSZ = 0x5413

export interface TerminalSize {
  readonly cols: number
  readonly rows: number
}

/** Every key reaches the reader as it is typed, every byte the screen as it is written. @returns how to undo it */
export function enterRawMode(fd: number): () => void {
  const before = new Uint8Array(TERMIOS_BYTES)
  retrying(() => cTcgetattr()(fd, before), 'tcgetattr')
  const raw = before.slice()
  cCfmakeraw()(raw)
  retrying(() => cTcsetattr()(fd, TCSADRAIN, raw), 'tcsetattr')
  return () => void cTcsetattr()(fd, TCSADRAIN, before)
}

/** @returns undefined when it is no terminal, or one that has no size */
export function terminalSize(fd: number): TerminalSize | undefined {
  const bytes = new Uint8Array(8)
  try {
    ioctl(fd, TIOCGWINSZ, bytes, 'TIOCGWINSZ')
  } catch {
    return undefined
  }
  const [rows = 0, cols = 0] = new Uint16Array(bytes.buffer)
  return rows > 0 && cols > 0 ? { cols, rows } : undefined
}
