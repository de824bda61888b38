/** Every size, offset, request number and constant of the bindings against the C compiler and the system's headers. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import { CAP } from '../../kvm-bindings/capabilities.ts'
import * as constants from '../../kvm-bindings/constants.ts'
import * as exitReasons from '../../kvm-bindings/exit-reasons.ts'
import type { Struct } from '../../kvm-bindings/layout.ts'
import * as requests from '../../kvm-bindings/requests.ts'

/** Younger than the headers of the oldest distribution we build on (Linux 6.1): proved only where the header has it. */
const NEWER_THAN_LINUX_6_1 = ['KVM_EXIT_MEMORY_FAULT', 'TUN_F_USO4', 'TUN_F_USO6']

const source = fileURLToPath(new URL('../../../kvm-bindings/', import.meta.url))
const built = fileURLToPath(new URL('../../kvm-bindings/structs/', import.meta.url))

interface Answer {
  readonly question: string
  readonly expected: number
}

const isStruct = (value: unknown): value is Struct =>
  typeof value === 'object' && value !== null && 'offsetOf' in value && 'fields' in value

async function declaredStructs(): Promise<Struct[]> {
  const files = readdirSync(built).filter((name) => name.endsWith('.js'))
  const modules = await Promise.all(files.map((name) => import(pathToFileURL(join(built, name)).href)))
  return modules.flatMap((module) => Object.values(module).filter(isStruct))
}

/** `kvm_run.io` is a struct without a tag of its own: its fields are asked for as `io.port` of `kvm_run`. */
function fieldsOf(struct: Struct, tag: string, prefix = '', base = 0): { row: string; answers: Answer[] }[] {
  return Object.entries(struct.fields).flatMap(([name, field]) => {
    const path = `${prefix}${name}`
    const offset = base + (struct.offsetOf[name] as number)
    const own = {
      row: `FIELD(${tag}, ${path})`,
      answers: [
        { question: `offset ${tag}.${path}`, expected: offset },
        { question: `size ${tag}.${path}`, expected: field.size },
      ],
    }
    return [own, ...(isStruct(field) ? fieldsOf(field, tag, `${path}.`, offset) : [])]
  })
}

const constantRows = (table: Record<string, unknown>) =>
  Object.entries(table)
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number')
    .map(([name, value]) => ({
      row: `#ifdef ${name}\nCONSTANT(${name})\n#endif`,
      answers: [{ question: `constant ${name}`, expected: value }],
    }))

async function allRows() {
  const structs = await declaredStructs()
  return [
    ...structs.map(({ name, size }) => ({
      row: `STRUCT_SIZE(${name})`,
      answers: [{ question: `size ${name}`, expected: size }],
    })),
    ...structs.flatMap((struct) => fieldsOf(struct, struct.name)),
    ...Object.values(requests).map(({ name, number }) => ({
      row: `REQUEST(${name})`,
      answers: [{ question: `request ${name}`, expected: number }],
    })),
    ...constantRows(constants),
    ...constantRows(CAP),
    ...constantRows(exitReasons),
  ]
}

function askOracle(rows: readonly string[]): Map<string, number> {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-oracle-'))
  try {
    copyFileSync(join(source, 'oracle.c'), join(directory, 'oracle.c'))
    writeFileSync(join(directory, 'oracle-rows.inc'), `${rows.join('\n')}\n`)
    const program = join(directory, 'oracle')
    execFileSync('gcc', ['-Wall', '-Werror', '-o', program, join(directory, 'oracle.c')], { stdio: 'pipe' })
    const lines = execFileSync(program, { encoding: 'utf8' }).trim().split('\n')
    return new Map(
      lines.map((line) => {
        const [kind, name, value] = line.split(' ')
        return [`${kind} ${name}`, Number(value)]
      }),
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('every struct, field, request and constant is what the C headers say', async (t) => {
  const rows = await allRows()
  const answers = askOracle(rows.map(({ row }) => row))
  const expected = rows.flatMap(({ answers }) => answers)
  t.true(expected.length > 700, `only ${expected.length} facts were asked for`)

  const unanswered = expected
    .filter(({ question }) => !answers.has(question))
    .map(({ question }) => question.split(' ')[1])
  t.deepEqual(
    unanswered.filter((name) => !NEWER_THAN_LINUX_6_1.includes(name as string)),
    [],
    'the headers know all names but the youngest',
  )
  const wrong = expected.filter(({ question, expected }) => answers.has(question) && answers.get(question) !== expected)
  t.deepEqual(
    wrong.map(({ question, expected }) => `${question}: C has ${answers.get(question)}, declared ${expected}`),
    [],
  )
})

test('the fields of every KVM struct cover it: no gap but the padding that C adds at the end', async (t) => {
  const structs = await declaredStructs()
  for (const struct of structs.filter(({ name }) => name.startsWith('kvm_'))) {
    const covered = new Uint8Array(struct.size)
    for (const [name, field] of Object.entries(struct.fields)) {
      covered.fill(1, struct.offsetOf[name], (struct.offsetOf[name] as number) + field.size)
    }
    const gap = covered.indexOf(0)
    t.true(gap < 0 || struct.size - gap < struct.align, `${struct.name} has a gap at ${gap}`)
  }
})

test('every exit reason goes by the name of its constant', (t) => {
  for (const [name, value] of Object.entries(exitReasons)) {
    if (typeof value !== 'number') continue
    t.is(exitReasons.exitReasonName(value), name)
    t.regex(exitReasons.exitReasonSentence(value), /^[A-Z].*\.$/)
  }
  t.is(exitReasons.exitReasonName(0xffff), 'KVM_EXIT_65535')
})

test('every request row is named after its constant and its capability is a known one', (t) => {
  for (const [name, row] of Object.entries(requests)) {
    t.is(row.name, name)
    if (row.capability !== undefined) t.true(Object.values(CAP).includes(row.capability as 0), name)
  }
})
