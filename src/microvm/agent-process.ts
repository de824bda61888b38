/** From what was asked for to what the agent starts: the instance's own program, and further ones beside it. */
import type { AgentProcess } from '../agent/agent-process.ts'
import type { ExecSpec } from '../instance/exec.ts'
import type { TerminalSize } from '../instance/instance.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { vectorEnvironment } from './vector-registers.ts'

export const mainProcess = (spec: RunSpec, terminal: TerminalSize): AgentProcess => ({
  main: true,
  argv: spec.argv,
  program: spec.program,
  env: mergeEnvironment(vectorEnvironment(spec), spec.env),
  cwd: spec.cwd,
  ...(spec.user && { user: spec.user }),
  interactive: spec.interactive,
  ...(spec.tty && { tty: terminal }),
})

export function execProcess(spec: RunSpec, asked: ExecSpec): AgentProcess {
  const user = asked.user ?? spec.user
  return {
    ...(asked.tool === undefined ? {} : { tool: true }),
    argv: asked.tool === undefined ? asked.argv : [asked.tool, ...asked.argv],
    env: mergeEnvironment(vectorEnvironment(spec), spec.env, asked.env),
    cwd: asked.cwd ?? spec.cwd,
    ...(user && { user }),
    interactive: asked.interactive,
    ...(asked.tty && { tty: asked.tty }),
  }
}

/** `K=V` strings; later ones win. */
function mergeEnvironment(...parts: readonly (readonly string[])[]): string[] {
  const merged = new Map<string, string>()
  for (const entry of parts.flat()) merged.set(entry.split('=', 1)[0]!, entry)
  return [...merged.values()]
}
