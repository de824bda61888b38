/** `cloister logs`: what a detached instance printed, so far or until it has ended. */
import { setTimeout as sleep } from 'node:timers/promises'
import { UsageError } from '../../errors.ts'
import { OutputReader, type OutputRecord, outputBytes } from '../../instance/output-log.ts'
import { isAlive } from '../../instance/process-identity.ts'
import { isLive } from '../../instance/record.ts'
import { type CommandContext, flag, text } from '../command.ts'
import { openStore, recordNamed } from '../instances.ts'
import { parseMoment, parseWhole } from '../quantities.ts'
import { print, writeAll } from '../terminal.ts'

const LOOK_MS = 100
const LINES_MAX = 1_000_000

export async function run(context: CommandContext): Promise<number> {
  const { arguments: parsed } = context
  const name = parsed.operands[0]!
  const tail = text(parsed, 'tail')
  const lines =
    tail === undefined ? undefined : parseWhole(tail, { what: 'the number of lines', min: 0, max: LINES_MAX })
  const since = text(parsed, 'since')
  const from = since === undefined ? '' : parseMoment(since).toISOString()
  const store = await openStore(context)
  const { directory, config } = recordNamed(store, name, 'show the output of')
  const reader = new OutputReader(directory)
  if (!reader.exists) {
    throw new UsageError(`Cannot show the output of "${name}": none was kept.`, {
      hint: config.detached
        ? 'Its process died before it had any.'
        : 'It ran in the foreground, and its output went there.',
    })
  }
  const say = flag(parsed, 'json')
    ? (record: OutputRecord) => print(JSON.stringify(record))
    : plainly(flag(parsed, 'timestamps'))

  const soFar = since === undefined ? reader.records() : later(reader.records(), from)
  for (const record of lines === undefined ? soFar : lastLines([...soFar], lines)) say(record)
  while (flag(parsed, 'follow')) {
    const record = store.read(name)
    const goesOn = record !== undefined && isLive(record.state) && isAlive(record.state.owner)
    for (const added of reader.records()) say(added)
    if (!goesOn) break
    await sleep(LOOK_MS)
  }
  reader.close()
  return 0
}

function* later(records: Iterable<OutputRecord>, from: string): Generator<OutputRecord> {
  for (const record of records) if (record.time >= from) yield record
}

/** The records that hold the last lines, the first of them cut to fit. */
export function lastLines(records: readonly OutputRecord[], count: number): OutputRecord[] {
  if (count === 0) return []
  const kept: OutputRecord[] = []
  let begun = 0
  for (const record of records.toReversed()) {
    const bytes = outputBytes(record)
    // The very last byte ends a line, if it does; every line end before it begins one.
    let at = kept.length === 0 ? bytes.length - 1 : bytes.length
    do {
      at = bytes.subarray(0, at).lastIndexOf(0x0a)
      if (at !== -1) begun++
    } while (at !== -1 && begun < count)
    if (at === -1) kept.unshift(record)
    else {
      const rest = bytes.subarray(at + 1)
      if (rest.length > 0) kept.unshift({ time: record.time, stream: record.stream, base64: rest.toString('base64') })
      break
    }
  }
  return kept
}

function plainly(timestamps: boolean): (record: OutputRecord) => void {
  let atLineStart = true
  return (record) => {
    const bytes = outputBytes(record)
    const fd = record.stream === 'stdout' ? 1 : 2
    if (!timestamps) return writeAll(fd, bytes)
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(0x0a, at)
      const next = end === -1 ? bytes.length : end + 1
      if (atLineStart) writeAll(fd, Buffer.from(`${record.time} `))
      writeAll(fd, bytes.subarray(at, next))
      atLineStart = end !== -1
      at = next
    }
  }
}
