/** Starts instances that go on from a snapshot, each held by a process of its own, as `run -d` does. */
import { detach } from '../holder/detach.ts'
import { DEFAULT_LOG_BYTES } from '../instance/output-log.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import { parseLogLevel } from '../log.ts'
import { flag, type ParsedArguments, text } from './command.ts'

/** The holder knows its name, and puts it there. */
const UNNAMED = 'HOSTNAME='

/** @param run what the original was asked to be. @param name one is found unless given. @returns the name */
export async function goOnFrom(
  directory: string,
  run: RunSpec,
  name: string | undefined,
  parsed: ParsedArguments,
): Promise<string> {
  const env = run.env.map((entry) => (entry === `${UNNAMED}${run.name}` ? UNNAMED : entry))
  return await detach({
    spec: { ...run, name: name ?? '', env, from: directory },
    ...(name === undefined ? {} : { name }),
    removeOnExit: flag(parsed, 'rm'),
    logBytes: DEFAULT_LOG_BYTES,
    logLevel: parseLogLevel(text(parsed, 'log-level') ?? 'warn'),
  })
}
