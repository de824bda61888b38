/** Directories of the host in a microVM: Linux's own v9fs at one end, our server at the other, and a program that does everything. */
import { execFileSync, spawn } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { packageRoot } from '../../src/paths.ts'
import { CLOISTER } from '../helpers/cli.ts'
import { microvmTest } from '../helpers/microvm.ts'

const ENTRIES = 1000
const BYTES = 300_000

interface Shares {
  readonly base: string
  readonly writable: string
  readonly readOnly: string
  readonly program: string
}

function layOut(t: ExecutionContext): Shares {
  const base = mkdtempSync(join(tmpdir(), 'cloister-volumes-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const [writable, readOnly, program] = ['writable', 'read-only', 'volume-check'].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ]
  execFileSync('musl-gcc', ['-static', '-O2', '-o', program, join(packageRoot, 'test/linux/guest/volume-check.c')])
  for (const directory of [writable, readOnly, join(writable, 'many')]) mkdirSync(directory)
  for (let index = 0; index < ENTRIES; index++) writeFileSync(join(writable, 'many', `entry number ${index}`), '')
  writeFileSync(join(writable, 'large'), largeFile())
  copyFileSync(program, join(writable, 'program'))
  writeFileSync(join(base, 'secret'), 'the host’s')
  symlinkSync(join(base, 'secret'), join(writable, 'escape'))
  writeFileSync(join(readOnly, 'text'), 'for reading')
  writeFileSync(join(base, 'config'), 'a=1')
  return { base, writable, readOnly, program }
}

const largeFile = () => Uint8Array.from({ length: BYTES }, (_, at) => (at * 13 + (at >> 8)) & 0xff)
const fnv = (bytes: Uint8Array) => bytes.reduce((sum, byte) => Math.imul(sum ^ byte, 16777619) >>> 0, 2166136261)

const run = (args: readonly string[], root: string) =>
  new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(CLOISTER, ['run', '--isolation', 'microvm', ...args], {
      env: { ...process.env, CLOISTER_ROOT: root },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text
      })
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, ...said }))
  })

microvmTest('a program in a microVM does with shared files what it does with files', async (t, kernel) => {
  const { base, writable, readOnly, program } = layOut(t)
  const root = join(base, 'root')
  mkdirSync(root, { mode: 0o700 })
  const volumes = [`${writable}:/shared`, `${readOnly}:/srv/read-only:ro`, `${join(base, 'config')}:/etc/app/config`]
  const { status, stdout, stderr } = await run(
    [
      ...kernel.options(t),
      ...volumes.flatMap((volume) => ['-v', volume]),
      ...['-w', '/shared', program, '/shared', '/srv/read-only', '/etc/app/config'],
      ...[ENTRIES, BYTES, fnv(largeFile())].map(String),
    ],
    root,
  )
  t.deepEqual(
    stdout.split('\n').filter((line) => line !== '' && !line.startsWith('PASS ')),
    [],
    stderr,
  )
  t.is(status, 0, stderr)
  t.true(stdout.split('\n').length > 40)

  // What the host has of it.
  t.deepEqual(readdirSync(writable).sort(), ['escape', 'large', 'link', 'many', 'program', 'second'])
  const second = statSync(join(writable, 'second'))
  t.is(second.mode & 0o7777, 0o755)
  t.is(second.mtimeMs, 2_000_000)
  t.is(readFileSync(join(writable, 'second'), 'utf8'), 'one')
  t.is(readFileSync(join(writable, 'large'), 'latin1').slice(0, 6), 'mapped')
  t.is(statSync(join(writable, 'large')).size, BYTES)
  t.deepEqual(readdirSync(readOnly), ['text'])
  t.is(readFileSync(join(base, 'config'), 'utf8'), '')
  t.is(readFileSync(join(base, 'secret'), 'utf8'), 'the host’s')
  t.false(existsSync(join(base, 'elsewhere')))
})
