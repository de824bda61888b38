/** What a real bash, zsh or fish offers for a line typed into it: each is asked for all completions at once. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CLOISTER } from './cli.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

const isThere = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
export const missingShells: ReadonlySet<Shell> = new Set(SHELLS.filter((shell) => !isThere(shell)))

const PROMPT = 'READY> '
/** A busy machine takes its time. */
const GIVE_UP_MS = 45_000
const [INSERT_ALL, SHOW_LINE, LIST] = ['\u0018a', '\u0018d', '\u0018l']

/** Ctrl-X a puts every completion into the line, Ctrl-X d prints the line, Ctrl-X l lists what there is. */
const SET_UP = {
  bash: [
    'set -o pipefail',
    'eval "$(cloister completion bash)"',
    `bind '"\\C-xa": insert-completions'`,
    `show() { printf '\\nLINE<%s>ENDS\\n' "$READLINE_LINE"; }`,
    `bind -x '"\\C-xd": show'`,
    `PS1='${PROMPT}'`,
  ],
  zsh: [
    'autoload -Uz compinit && compinit -u -D',
    '(( $+functions[_cloister] )) || eval "$(cloister completion zsh)"',
    "bindkey '^Xl' list-choices",
    'zle -C all-matches complete-word _generic',
    "bindkey '^Xa' all-matches",
    "zstyle ':completion:all-matches::::' completer _all_matches _complete",
    "zstyle ':completion:all-matches:*' insert true",
    'show() { zle -I; print -r -- "LINE<$BUFFER>ENDS" }',
    'zle -N show',
    "bindkey '^Xd' show",
    'unsetopt zle_bracketed_paste prompt_sp 2>/dev/null',
    `PROMPT='${PROMPT}'`,
  ],
} as const

/** A shell with `cloister` in PATH and no settings of the user's. `root` keeps the instances. */
export interface ShellSetting {
  readonly directory: string
  readonly root: string
  /** zsh: what it does before anything else. */
  readonly first?: readonly string[]
}

/** A shell that may be asked. */
export interface AskedShell {
  /** What it puts in place of the last word, sorted; fish: with a tab and what it says about each. */
  offered(line: string): Promise<string[]>
  /** All that the terminal shows when the completions are listed. */
  listed(line: string): Promise<string>
}

/**
 * Each question goes to a new process: while a shell runs the command behind a key, its terminal is in another mode, and
 * what is typed then may get lost.
 */
export function openShell(shell: Shell, setting: ShellSetting): AskedShell {
  if (shell === 'fish') return fish(setting)
  const ask = (keys: string): Promise<string> => askTerminal(shell, setting, keys + SHOW_LINE)
  return {
    async offered(line) {
      const shown = await ask(line + INSERT_ALL)
      const typed = shown.slice(shown.lastIndexOf('LINE<') + 'LINE<'.length, shown.lastIndexOf('>ENDS'))
      // Blanks within a word are escaped.
      return typed
        .slice(line.lastIndexOf(' ') + 1)
        .split(/(?<!\\) /)
        .filter(Boolean)
        .sort()
    },
    listed: (line) => ask(line + LIST),
  }
}

function fish(setting: ShellSetting): AskedShell {
  const script = 'cloister completion fish | source; complete -C $argv[1]'
  const options = { env: environment(setting), cwd: setting.directory, timeout: GIVE_UP_MS }
  const listed = async (line: string): Promise<string> =>
    execFileSync('fish', ['--no-config', '-c', script, line], options).toString()
  return { listed, offered: async (line) => (await listed(line)).split('\n').filter(Boolean).sort() }
}

/** Types the keys. @returns what comes up to the line that Ctrl-X d prints */
async function askTerminal(shell: 'bash' | 'zsh', setting: ShellSetting, keys: string): Promise<string> {
  const { directory: cwd, first = [] } = setting
  const settings = join(cwd, shell === 'bash' ? 'bashrc' : '.zshrc')
  writeFileSync(settings, [...first, ...SET_UP[shell]].map((command) => `${command}\n`).join(''))
  const start = shell === 'bash' ? `bash --noprofile --rcfile ${settings} -i` : 'zsh -d -i'
  // script(1) lends it a terminal, without which no shell edits lines.
  const env = { ...environment(setting), ZDOTDIR: cwd }
  const terminal = spawn('script', ['-qefc', start, '/dev/null'], { cwd, env })
  try {
    const next = reader(terminal)
    await next(PROMPT)
    terminal.stdin.write(keys)
    return await next('>ENDS')
  } finally {
    terminal.kill('SIGKILL')
  }
}

/** @returns a wait for some text, which answers with all that came since the last one. */
function reader(terminal: ChildProcess): (text: string) => Promise<string> {
  let unread = ''
  let look = (): void => {}
  terminal.stdout?.setEncoding('utf8').on('data', (text: string) => {
    unread += text
    look()
  })
  return (text) =>
    new Promise((resolve, reject) => {
      const missing = () => reject(new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(unread)}`))
      const timer = setTimeout(missing, GIVE_UP_MS)
      look = () => {
        const end = unread.indexOf(text)
        if (end === -1) return
        clearTimeout(timer)
        look = () => {}
        resolve(unread.slice(0, end + text.length))
        unread = unread.slice(end + text.length)
      }
      look()
    })
}

function environment({ directory, root }: ShellSetting): NodeJS.ProcessEnv {
  const commands = join(directory, '.commands')
  mkdirSync(commands, { recursive: true })
  try {
    symlinkSync(CLOISTER, join(commands, 'cloister'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return {
    PATH: [commands, process.env.PATH].join(delimiter),
    HOME: directory,
    TERM: 'dumb',
    COLUMNS: '500',
    CLOISTER_ROOT: root,
    LC_ALL: 'C.UTF-8',
  }
}
