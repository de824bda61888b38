/**
 * The programs of guest-kernel/tests/programs, linked with each C library: they pass on Linux, and they pass in the
 * unikernel.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { packageRoot } from '../../src/paths.ts'
import { kvmTest } from '../helpers/kvm.ts'

const PROGRAMS = { files: 0, gaps: 0, memory: 0, process: 42, signals: 0 } as const
type Program = keyof typeof PROGRAMS
/** For programs about where the linker puts things. */
const LINKER_OPTIONS: { readonly [program in Program]?: readonly string[] } = {
  gaps: ['-Wl,--section-start=.farrw=0x2000000'],
}

const LINKED = {
  'glibc, static': ['gcc', '-static'],
  'glibc, static-PIE': ['gcc', '-static-pie'],
  'musl, static': ['musl-gcc', '-static'],
} as const

const directory = mkdtempSync(join(tmpdir(), 'cloister-programs-'))
const built = (program: Program, linked: string) => join(directory, `${program}-${linked.replace(/\W+/g, '-')}`)

test.before('the programs are built', () => {
  for (const [linked, [compiler, ...options]] of Object.entries(LINKED))
    for (const program of Object.keys(PROGRAMS) as Program[]) {
      const source = join(packageRoot, 'guest-kernel/tests/programs', `${program}.c`)
      const all = [...options, ...(LINKER_OPTIONS[program] ?? [])]
      execFileSync(compiler, ['-O1', '-Wall', '-Werror', ...all, '-o', built(program, linked), source])
    }
})

test.after.always('they are removed', () => rmSync(directory, { recursive: true, force: true }))

const run = (command: string, args: readonly string[]) =>
  new Promise<{ status: number | null; output: string }>((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (bytes: Buffer) => (output += bytes))
    child.stderr.on('data', (bytes: Buffer) => (output += bytes))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, output }))
  })

const passes = (
  t: ExecutionContext,
  program: Program,
  { status, output }: { status: number | null; output: string },
) => {
  t.is(status, PROGRAMS[program], output)
  t.regex(output, /^(PASS .+\n)+$/)
}

for (const program of Object.keys(PROGRAMS) as Program[]) {
  for (const linked of Object.keys(LINKED)) {
    test(`${program} (${linked}) passes on Linux`, async (t) =>
      passes(t, program, await run(built(program, linked), ['one', 'two'])))

    kvmTest(`${program} (${linked}) passes in the unikernel`, async (t) =>
      passes(
        t,
        program,
        await run(join(packageRoot, 'bin/cloister'), [
          'run',
          '--rm',
          '--isolation',
          'unikernel',
          '--timeout',
          '40s',
          built(program, linked),
          'one',
          'two',
        ]),
      ),
    )
  }
}
