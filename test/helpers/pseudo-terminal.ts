/** A command line on a terminal: script(1) makes one, its size is set inside, and what a test types comes by a pipe. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { CLOISTER } from './cli.ts'

const HANG_MS = Number(process.env.CLOISTER_TEST_HANG_SECONDS ?? 30) * 1000
const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

export interface OnTerminal {
  /** Types when the screen has shown this since the last time. */
  after(shown: RegExp, keys: string): Promise<void>
  /** Exit status, and all that was on the screen. */
  ended(): Promise<{ status: number | null; screen: string }>
}

export function onTerminal(
  args: readonly string[],
  { root, cols = 99, rows = 33 }: { root: string; cols?: number; rows?: number },
): OnTerminal {
  const command = `stty cols ${cols} rows ${rows}; exec ${[CLOISTER, ...args].map(quote).join(' ')}`
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    env: { ...process.env, CLOISTER_ROOT: root, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: HANG_MS,
    killSignal: 'SIGKILL',
  })
  let screen = ''
  let seen = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
  })
  const closed = once(child, 'close') as Promise<[number | null]>
  return {
    async after(shown, keys) {
      while (!shown.test(screen.slice(seen))) {
        const more = await Promise.race([once(child.stdout, 'data'), closed.then(() => undefined)])
        if (more === undefined && !shown.test(screen.slice(seen)))
          throw new Error(`It ended before it showed ${shown}: ${JSON.stringify(screen)}`)
      }
      seen = screen.length
      child.stdin.write(keys)
    },
    async ended() {
      const [status] = await closed
      return { status, screen }
    },
  }
}
