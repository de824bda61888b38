/** guest-kernel/linux/edit.js changes a kernel tree by anchors: all of a group or nothing, and an error that names what. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { packageRoot } from '../../src/paths.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const RECIPE = join(packageRoot, 'guest-kernel/linux')
const FILE = 'mm/init.c'
const TEXT = 'first();\nsecond();\nfirst();\nthird();\n'

interface Edit {
  readonly why?: string
  readonly file?: string
  readonly anchor?: string
  readonly before?: string
  readonly after?: string
  readonly instead?: string
}

function edit(t: ExecutionContext, edits: readonly Edit[]) {
  const directory = temporaryDirectory(t)
  const tree = join(directory, 'tree')
  mkdirSync(join(tree, 'mm'), { recursive: true })
  writeFileSync(join(tree, FILE), TEXT)
  const group = join(directory, 'boot-time.mjs')
  writeFileSync(group, `export default ${JSON.stringify(edits)}`)
  const { status, stderr } = spawnSync(process.execPath, ['--', join(RECIPE, 'edit.js'), tree, group], {
    encoding: 'utf8',
  })
  return { status, stderr, text: readFileSync(join(tree, FILE), 'utf8') }
}

const WHY = 'it takes too long'

test('text goes in before, after or instead of an anchor', (t) => {
  const { status, stderr, text } = edit(t, [
    { why: WHY, file: FILE, anchor: 'second();\n', before: 'b();\n' },
    { why: WHY, file: FILE, anchor: 'second();\n', after: 'a();\n' },
    { why: WHY, file: FILE, anchor: 'third();', instead: '$& 3();' },
  ])
  t.is(status, 0, stderr)
  t.is(text, 'first();\nb();\nsecond();\na();\nfirst();\n$& 3();\n')
})

for (const [what, anchor, words] of [
  ['that is not there', 'fourth();', /the anchor "fourth\(\);" is not in it/],
  ['that is there twice', 'first();', /the anchor "first\(\);" is in it 2 times instead of once/],
] as const) {
  test(`an anchor ${what} ends the build by its name, its file, its group and its reason, and nothing is changed`, (t) => {
    const { status, stderr, text } = edit(t, [
      { why: WHY, file: FILE, anchor: 'third();', instead: '' },
      { why: WHY, file: FILE, anchor, instead: '' },
    ])
    t.is(status, 1)
    t.regex(stderr, words)
    for (const name of ['boot-time', FILE, WHY]) t.true(stderr.includes(name), stderr)
    t.is(text, TEXT)
  })
}

test('a file that is not there ends the build by its name', (t) => {
  const { status, stderr } = edit(t, [{ why: WHY, file: 'mm/gone.c', anchor: 'x', instead: '' }])
  t.is(status, 1)
  t.regex(stderr, /boot-time: mm\/gone\.c: ENOENT/)
})

test('an edit without a reason, or with two changes, is refused', (t) => {
  t.is(edit(t, [{ file: FILE, anchor: 'third();', instead: '' }]).status, 1)
  t.is(edit(t, [{ why: WHY, file: FILE, anchor: 'third();', before: 'x', after: 'y' }]).status, 1)
})

test('every edit of the recipe says why, and keeps of Linux no more than an anchor of a few lines', async (t) => {
  const groups = readdirSync(join(RECIPE, 'edits'))
  t.true(groups.length > 0)
  for (const group of groups) {
    const { default: edits } = (await import(join(RECIPE, 'edits', group))) as { default: Required<Edit>[] }
    for (const { why, anchor } of edits) {
      t.true(why.length >= 20, why)
      t.true(anchor.trimEnd().split('\n').length <= 4, anchor)
    }
  }
})
