/** `cloister clone`: further instances go on from a snapshot, or from where a running one is. */
import { rmSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { checkInstanceName } from '../../instance/name.ts'
import { openSnapshot } from '../../snapshot/open-snapshot.ts'
import { savedRun } from '../../snapshot/saved-run.ts'
import { type CommandContext, type ParsedArguments, text } from '../command.ts'
import { goOnFrom } from '../go-on-from.ts'
import { forEachNamed, liveRecordNamed, openStore } from '../instances.ts'
import { parseWhole } from '../quantities.ts'
import { allSnapshots, throwAwayDirectory } from '../snapshots.ts'
import { askForSnapshot, patiently } from '../taking.ts'
import { print } from '../terminal.ts'

const MOST = 1000

export async function run(context: CommandContext): Promise<number> {
  const parsed = context.arguments
  const [source = ''] = parsed.operands
  const names = namesOf(parsed)
  const store = await openStore(context)
  for (const name of names) if (name !== undefined) store.checkFree(name)
  const snapshot = allSnapshots().find(({ name }) => name === source)
  if (snapshot) return await cloneEach(snapshot.directory, names, parsed)
  const record = liveRecordNamed(store, source, 'clone')
  const directory = throwAwayDirectory(source)
  try {
    await askForSnapshot(record, { directory })
    return await cloneEach(directory, names, parsed)
  } finally {
    // They have it mapped and open: it stays theirs.
    rmSync(dirname(directory), { recursive: true, force: true })
  }
}

/** Undefined where one is to be found. */
function namesOf(parsed: ParsedArguments): readonly (string | undefined)[] {
  const asked = text(parsed, 'count')
  const count = parseWhole(asked ?? '1', { what: 'the number of clones', min: 1, max: MOST })
  const name = text(parsed, 'name')
  const names = Array.from({ length: count }, (_, at) =>
    name === undefined || asked === undefined ? name : `${name}-${at + 1}`,
  )
  for (const one of names) if (one !== undefined) checkInstanceName(one)
  return names
}

/** It is looked through once, and not by each of them. */
async function cloneEach(
  directory: string,
  names: readonly (string | undefined)[],
  parsed: ParsedArguments,
): Promise<number> {
  const what = basename(directory)
  const opened = await patiently(`checking ${what}`, () => openSnapshot(directory))
  opened.close()
  const saved = savedRun(opened.spec)
  const [first, ...others] = names
  // One that cannot go on speaks for all of them.
  print(await patiently(`going on from ${what}`, () => goOnFrom(directory, saved, first, parsed)))
  const keys = others.map((name, at) => name ?? `clone ${at + 2}`)
  return await forEachNamed(keys, (key) => goOnFrom(directory, saved, others[keys.indexOf(key)], parsed))
}
