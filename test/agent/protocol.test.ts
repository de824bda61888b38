/** docs/agent-protocol.md, rootfs/agent/protocol.h and src/agent/protocol.ts: the same numbers in all three. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as protocol from '../../src/agent/protocol.ts'
import { packageRoot } from '../../src/paths.ts'

const read = (path: string) => readFileSync(join(packageRoot, path), 'utf8')

const upper = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

/** `64 * 1024` as well as `1`. */
const numberOf = (text: string) => text.split('*').reduce((product, factor) => product * Number(factor), 1)

const ofHeader = new Map(
  [...read('rootfs/agent/protocol.h').matchAll(/^\t(\w+) = ([\d *]+),$/gm)].map(([, name, value]) => [
    name!,
    numberOf(value!),
  ]),
)

/** FRAME.stdinEof is FRAME_STDIN_EOF there; the two flags of one bit have their own prefix. */
const PREFIX: Readonly<Record<string, string>> = { EXIT_FLAG: 'EXIT' }

const ofModule = new Map(
  Object.entries(protocol).flatMap(([name, value]) =>
    typeof value === 'number'
      ? [[name, value] as const]
      : Object.entries(value).map(([key, number]) => [`${PREFIX[name] ?? name}_${upper(key)}`, number] as const),
  ),
)

test('the header and the module have the same names and numbers', (t) => {
  t.true(ofHeader.size > 50)
  t.deepEqual([...ofModule].sort(), [...ofHeader].sort())
})

test('the document lists every frame and every item with its number', (t) => {
  const document = read('docs/agent-protocol.md')
  const rows = [...document.matchAll(/^\| `([A-Z_]+)` +\| (\d+) +\|/gm)]
    .filter(([, name]) => !name!.endsWith('_MAX'))
    .map(([, name, number]) => `${name} ${number}`)
  const expected = [...ofHeader].flatMap(([name, number]) => {
    const [, prefix, rest] = /^(FRAME|ITEM)_(.*)$/.exec(name) ?? []
    return prefix === undefined || rest === 'MAX' ? [] : [`${rest} ${number}`]
  })
  t.deepEqual([...rows].sort(), expected.sort())
})

test('the document names the limits', (t) => {
  const document = read('docs/agent-protocol.md')
  for (const name of ['START_MAX', 'SESSIONS_MAX', 'STDIN_WINDOW', 'OUTPUT_WINDOW_MAX', 'GROUPS_MAX', 'ENTROPY_MAX']) {
    const row = new RegExp(`^\\| \`${name}\` +\\| ([\\d,]+) +\\|`, 'm').exec(document)?.[1]
    t.is(Number(row?.replaceAll(',', '')), ofHeader.get(name)!, name)
  }
})
