/** The program in kvm-bindings/README.md, run as it stands there. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { transformSync } from 'esbuild'
import { kvmTest } from '../helpers/kvm.ts'

const readme = readFileSync(new URL('../../../kvm-bindings/README.md', import.meta.url), 'utf8')
/** What package.json exports as cloister/kvm-bindings; `make build` bundles it. */
const bindings = new URL('../../../dist/kvm-bindings.js', import.meta.url).href

function snippet(): string {
  const found = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  if (found === undefined) throw new Error('README.md has no TypeScript snippet')
  return found
}

kvmTest('the guest of the README prints its greeting through a port', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-readme-'))
  try {
    const program = join(directory, 'guest.mjs')
    const source = snippet().replace("'cloister/kvm-bindings'", JSON.stringify(bindings))
    writeFileSync(program, transformSync(source, { loader: 'ts', target: 'node20' }).code)
    t.is(execFileSync(process.execPath, [program], { encoding: 'utf8', timeout: 20_000 }), 'Hello\n')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('the snippet of the README stays near 40 lines', (t) => {
  t.true(snippet().trim().split('\n').length <= 50)
})

test('every file that the README names is there', (t) => {
  const folder = fileURLToPath(new URL('../../../kvm-bindings/', import.meta.url))
  const named = [...readme.matchAll(/`((?:structs\/)?[a-z-]+\.(?:ts|c))`/g)].map((match) => match[1] as string)
  t.true(named.length >= 8)
  for (const name of named) t.notThrows(() => readFileSync(join(folder, name)), name)
})
