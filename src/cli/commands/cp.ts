/** `cloister cp`: files from an instance to the host, and the other way, through a program of ours that runs inside. */
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnsoundArchive } from '../../archive/unsound.ts'
import type { RemoteExec } from '../../control/exec-client.ts'
import { HostError, UsageError } from '../../errors.ts'
import { isInstanceName } from '../../instance/name.ts'
import type { InstanceRecord } from '../../instance/record.ts'
import { type CommandContext, flag } from '../command.ts'
import { countingProgress } from '../counted.ts'
import { liveRecordNamed, openStore } from '../instances.ts'
import { saidBy, toolSpec, withExec } from '../remote-exec.ts'
import { printError, writeAll } from '../terminal.ts'

/** Whoever sent what is no archive has this long to say why. */
const PARTING_MS = 5000

type Place =
  | { readonly kind: 'inside'; readonly name: string; readonly path: string }
  | { readonly kind: 'host'; readonly path: string }
  | { readonly kind: 'stream' }

export async function run(context: CommandContext): Promise<number> {
  const [from, to] = context.arguments.operands.map(parsePlace) as [Place, Place]
  const follow = flag(context.arguments, 'follow-link')
  if (from.kind === 'inside' && to.kind !== 'inside') {
    const record = liveRecordNamed(await openStore(context), from.name, 'copy from')
    return await copyOut(record, from.path, to, follow)
  }
  if (to.kind === 'inside' && from.kind !== 'inside') {
    const record = liveRecordNamed(await openStore(context), to.name, 'copy to')
    return await copyIn(record, from, to.path, follow)
  }
  throw new UsageError(
    from.kind === 'inside'
      ? 'Cannot copy from one instance to another at once.'
      : 'Cannot copy: one of the two must be in an instance, NAME:PATH.',
    { hint: 'For example: cloister cp web:/etc/hosts .  "./a:b" is a file of the host.' },
  )
}

/** As docker has it: what begins with "/" or "." is of the host, whatever else is in it. @throws UsageError */
export function parsePlace(text: string): Place {
  if (text === '-') return { kind: 'stream' }
  const colon = text.indexOf(':')
  const name = text.slice(0, Math.max(colon, 0))
  if (colon === -1 || !isInstanceName(name)) return { kind: 'host', path: text }
  const path = text.slice(colon + 1)
  if (path === '') throw new UsageError(`Cannot copy "${text}": the path is missing.`, { hint: `Write ${name}:/PATH.` })
  return { kind: 'inside', name, path: path.startsWith('/') ? path : `/${path}` }
}

async function copyOut(record: InstanceRecord, path: string, to: Exclude<Place, { kind: 'inside' }>, follow: boolean) {
  const options = [...(follow ? ['-L'] : []), ...(to.kind === 'stream' ? ['-p'] : [])]
  return await withExec(record, 'copy from', toolSpec('copy-out', [...options, path]), async (remote) => {
    const said = saidBy(remote)
    const counted = countingProgress(`${record.name}:${path}`)
    try {
      const work =
        to.kind === 'stream'
          ? await toStandardOutput(remote, counted.count)
          : await toHost(counted.count(remote.stdout), path, to.path)
      return await ended(remote, await said, await work)
    } catch (error) {
      throw (error instanceof UnsoundArchive && (await reasonInside(remote, said))) || error
    } finally {
      counted.end()
    }
  })
}

async function toStandardOutput({ stdout }: RemoteExec, count: Counter): Promise<readonly string[]> {
  for await (const bytes of count(stdout)) writeAll(1, bytes)
  return []
}

type Counter = (from: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

async function toHost(archive: AsyncIterable<Uint8Array>, from: string, to: string): Promise<readonly string[]> {
  const { unpack } = await import('../../archive/unpack.ts')
  const { rootName } = await import('../../archive/tar-format.ts')
  const { leftOut } = await unpack(archive, to, rootName(from))
  return leftOut.map((one) => `left out: ${one}`)
}

async function copyIn(record: InstanceRecord, from: Exclude<Place, { kind: 'inside' }>, path: string, follow: boolean) {
  const options = from.kind === 'stream' ? ['-p'] : []
  const faults: string[] = []
  const source =
    from.kind === 'stream'
      ? (process.stdin as AsyncIterable<Uint8Array>)
      : await packed(from.path, { follow, onFault: (text) => faults.push(text) })
  return await withExec(record, 'copy to', toolSpec('copy-in', [...options, path], true), async (remote) => {
    const said = saidBy(remote)
    remote.stdout.resume()
    const counted = countingProgress(`${record.name}:${path}`)
    try {
      await feed(counted.count(source), remote.stdin)
    } finally {
      counted.end()
      if (from.kind === 'stream') process.stdin.destroy()
    }
    return await ended(remote, await said, faults)
  })
}

/** Looked at before anything is asked of the instance. @throws UsageError */
async function packed(path: string, options: { follow: boolean; onFault: (text: string) => void }) {
  const { pack } = await import('../../archive/pack.ts')
  const parts = pack(path, options)
  const first = await parts.next()
  return (async function* () {
    if (!first.done) yield first.value
    yield* parts
  })()
}

/** It may end before it has read all: then it says why. An error of reading is ours. */
async function feed(source: AsyncIterable<Uint8Array>, stdin: Writable): Promise<void> {
  try {
    await pipeline(source, stdin)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ERR_STREAM_DESTROYED' && code !== 'EPIPE') throw error
  }
}

/** @returns exit status @throws HostError */
async function ended(remote: RemoteExec, said: string, notes: readonly string[]): Promise<number> {
  const { exitCode, report } = await remote.result
  if (exitCode !== 0) throw failed(said, report)
  for (const line of [...said.split('\n'), ...notes].filter(Boolean)) printError(`cloister: ${line}`)
  return notes.some((note) => !note.startsWith('left out: ')) ? 1 : 0
}

const failed = (said: string, report?: string) => {
  const reason = said.split('\n').at(-1) || report || 'it gave no reason'
  return new HostError(`Cannot copy: ${reason.replace(/\.$/, '')}.`)
}

/** It may have failed inside, and what came is short for that; then it has ended. */
async function reasonInside(remote: RemoteExec, said: Promise<string>): Promise<HostError | undefined> {
  const late = sleep(PARTING_MS, { exitCode: 0, report: undefined }, { ref: false })
  const { exitCode, report } = await Promise.race([remote.result, late])
  return exitCode === 0 ? undefined : failed(await said, report)
}
