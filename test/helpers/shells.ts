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
const GIVE_UP_MS = 20_000
const [INSERT_ALL, SHOW_LINE] = ['\u0018a', '\u0018d']

/** Ctrl-X a puts every completion into the line, Ctrl-X d prints the line. */
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
    'eval "$(cloister completion zsh)"',
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
}

export async function offeredBy(shell: Shell, line: string, setting: ShellSetting): Promise<string[]> {
  const env = environment(setting)
  if (shell === 'fish') {
    const script = 'cloister completion fish | source; complete -C $argv[1]'
    const found = execFileSync('fish', ['--no-config', '-c', script, line], { env, cwd: setting.directory })
    return found.toString().split('\n').filter(Boolean).sort()
  }
  const typed = await completedLine(shell, line, env, setting.directory)
  return typed
    .slice(line.lastIndexOf(' ') + 1)
    .split(/(?<!\\) /)
    .filter(Boolean)
    .sort()
}

/** The line that the shell holds after it was told to put in every completion. */
async function completedLine(
  shell: 'bash' | 'zsh',
  line: string,
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<string> {
  const settings = join(cwd, shell === 'bash' ? 'bashrc' : '.zshrc')
  writeFileSync(settings, SET_UP[shell].map((command) => `${command}\n`).join(''))
  const start = shell === 'bash' ? `bash --noprofile --rcfile ${settings} -i` : 'zsh -d -i'
  // script(1) lends it a terminal, without which no shell edits lines.
  const terminal = spawn('script', ['-qefc', start, '/dev/null'], { cwd, env: { ...env, ZDOTDIR: cwd } })
  try {
    const seen = reader(terminal)
    await seen(PROMPT)
    terminal.stdin.write(line + INSERT_ALL + SHOW_LINE)
    const shown = await seen('>ENDS')
    return shown.slice(shown.lastIndexOf('LINE<') + 'LINE<'.length, shown.lastIndexOf('>ENDS'))
  } finally {
    terminal.kill('SIGKILL')
  }
}

/** @returns a wait for some text; it answers with all that came so far. */
function reader(terminal: ChildProcess): (text: string) => Promise<string> {
  let all = ''
  const listeners = new Set<() => void>()
  terminal.stdout?.setEncoding('utf8').on('data', (text: string) => {
    all += text
    for (const listener of listeners) listener()
  })
  return (text) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(all)}`)),
        GIVE_UP_MS,
      )
      const look = (): void => {
        if (!all.includes(text)) return
        clearTimeout(timer)
        listeners.delete(look)
        resolve(all)
      }
      listeners.add(look)
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
