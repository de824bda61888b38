/** `cloister exec`: a further program in a running instance, with this command's streams and its own exit status. */
import type { Readable } from 'node:stream'
import type { RemoteExec } from '../../control/exec-client.ts'
import { homeOf } from '../../image/home-directory.ts'
import type { ExecSpec } from '../../instance/exec.ts'
import type { ExitResult } from '../../instance/instance.ts'
import type { Source } from '../../instance/run-spec.ts'
import { type CommandContext, flag, list, type ParsedArguments, text } from '../command.ts'
import { variables } from '../environment.ts'
import { liveRecordNamed, openStore } from '../instances.ts'
import { checkTerminal, lendTerminal, ownSize } from '../own-terminal.ts'
import { parseUser } from '../parse-user.ts'
import { withExec } from '../remote-exec.ts'
import { parseWorkdir } from '../run-request.ts'
import { printError, writeAll } from '../terminal.ts'

const FORWARDED = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGUSR1: 10, SIGUSR2: 12, SIGTERM: 15 } as const
/** Two of them within this time mean it. */
const INSISTING_MS = 2000
/** `timeout` and a shell may signal a process and its group: that is one wish. */
const ECHO_MS = 200
/** Of a terminal that does not say how large it is. */
const USUAL_SIZE = { cols: 80, rows: 24 }

export async function run(context: CommandContext): Promise<number> {
  const { arguments: parsed } = context
  const [name, ...argv] = parsed.operands
  const asked = execSpec(parsed, argv)
  if (asked.tty) checkTerminal(asked.interactive)
  const record = liveRecordNamed(await openStore(context), name!, 'run a program in')
  const spec = asked.user ? { ...asked, env: withHome(asked, record.config.spec.source) } : asked
  return await withExec(record, 'run a program in', spec, async (remote) => {
    const insisted = forwardSignals(remote)
    const terminal = spec.tty ? lendTerminal(spec.interactive, (size) => remote.resize(size)) : undefined
    try {
      if (spec.interactive) process.stdin.pipe(remote.stdin)
      // A terminal that is taken away, or not ours to read: that is no end of the program's input.
      process.stdin.on('error', () => {})
      const shown = show(remote)
      const ended = Promise.all([remote.result, shown]).then(([result]) => result)
      const { exitCode, report } = await Promise.race([ended, insisted])
      if (report !== undefined) printError(`cloister: ${report}`)
      return exitCode
    } finally {
      terminal?.giveBack()
      process.stdin.destroy()
    }
  })
}

function execSpec(parsed: ParsedArguments, argv: readonly string[]): ExecSpec {
  const [cwd, user] = [text(parsed, 'workdir'), text(parsed, 'user')]
  return {
    argv,
    env: variables({ variables: list(parsed, 'env'), files: list(parsed, 'env-file') }),
    interactive: flag(parsed, 'interactive'),
    ...(cwd === undefined ? {} : { cwd: parseWorkdir(cwd) }),
    ...(user === undefined ? {} : { user: parseUser(user) }),
    ...(flag(parsed, 'tty') ? { tty: ownSize() ?? USUAL_SIZE } : {}),
  }
}

/** Another user has another home. */
const withHome = ({ env, user }: ExecSpec, source: Source): readonly string[] =>
  user && !env.some((entry) => entry.startsWith('HOME=')) ? [`HOME=${homeOf(source, user.uid)}`, ...env] : env

/** @throws OutputClosed when nobody reads our output any more; the end of the connection then ends the program */
async function show({ stdout, stderr }: RemoteExec): Promise<void> {
  const copy = async (from: Readable, fd: number) => {
    for await (const bytes of from) writeAll(fd, bytes as Buffer)
  }
  await Promise.all([copy(stdout, 1), copy(stderr, 2)])
}

/** @returns resolves when it was interrupted twice */
function forwardSignals(remote: RemoteExec): Promise<ExitResult> {
  let last = Number.NEGATIVE_INFINITY
  return new Promise((resolve) => {
    for (const [signal, signo] of Object.entries(FORWARDED)) {
      process.on(signal, () => {
        const since = performance.now() - last
        if (signal === 'SIGINT') {
          if (since < ECHO_MS) return
          last = performance.now()
          if (since < INSISTING_MS) {
            resolve({ exitCode: 128 + signo, report: 'Interrupted twice: the program was ended.' })
          }
        }
        remote.signal(signo)
      })
    }
  })
}
