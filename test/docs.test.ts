/** The documents: every relative link leads somewhere, and nothing was left to fill in. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import test from 'ava'
import { packageRoot } from '../src/paths.ts'

const SKIPPED = new Set(['node_modules', 'build', 'dist', '.git'])

function* documents(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* documents(path)
    else if (entry.name.endsWith('.md')) yield path
  }
}

for (const path of documents(packageRoot)) {
  const text = readFileSync(path, 'utf8')

  test(`every link of ${relative(packageRoot, path)} leads somewhere`, (t) => {
    const targets = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, target]) => target!)
    const dead = targets.filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(dirname(path), target)))
    t.deepEqual(dead, [])
  })

  test(`nothing in ${relative(packageRoot, path)} waits to be filled in`, (t) => {
    t.notRegex(text, /^[A-Z]+_(TABLE|OUTPUT)$|\bTODO\b|\bTBD\b/m)
  })
}
