/** Completion in the shells themselves: the words that each of them puts into a line. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import { ownIdentity } from '../../src/instance/process-identity.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { missingShells, offeredBy, SHELLS, type Shell, type ShellSetting } from '../helpers/shells.ts'

/** bash is on every Debian; the others are for those who have them. */
function shellTest(title: string, shell: Shell, work: (t: ExecutionContext) => Promise<void>): void {
  if (missingShells.has(shell) && shell !== 'bash') anyTest.skip(`${title} (skipped: ${shell} is not installed)`, work)
  else anyTest(title, work)
}

function setting(t: ExecutionContext): ShellSetting {
  const directory = temporaryDirectory(t)
  return { directory, root: join(directory, '.root') }
}

function record({ root }: ShellSetting, name: string, state: object): void {
  const directory = join(root, 'run/instances', name)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ spec: { name, isolation: 'unikernel' } }))
  writeFileSync(join(directory, 'state.json'), JSON.stringify({ owner: ownIdentity(), ...state }))
}

for (const shell of SHELLS) {
  /** Words without what fish says about them. */
  const words = async (line: string, where: ShellSetting): Promise<string[]> =>
    (await offeredBy(shell, line, where)).map((offer) => offer.split('\t')[0]!)

  shellTest(`${shell} completes commands`, shell, async (t) => {
    t.deepEqual(await words('cloister ver', setting(t)), ['version'])
    const all = await words('cloister ', setting(t))
    for (const name of ['run', 'ps', 'rm', 'compare', 'doctor', 'completion', 'help', 'version']) {
      t.true(all.includes(name), name)
    }
    t.false(all.includes('__complete'))
  })

  shellTest(`${shell} completes options, and their values after a blank and after =`, shell, async (t) => {
    const where = setting(t)
    t.deepEqual(await words('cloister run --log-', where), ['--log-format', '--log-level', '--log-size'])
    t.deepEqual(await words('cloister run --isolation ', where), ['container', 'unikernel'])
    t.deepEqual(
      (await words('cloister run --isolation=u', where)).map((word) => word.replace('--isolation=', '')),
      ['unikernel'],
    )
    t.deepEqual(await words('cloister completion ', where), ['bash', 'fish', 'zsh'])
  })

  shellTest(`${shell} completes names of instances by what can be done with them`, shell, async (t) => {
    const where = setting(t)
    record(where, 'web', { status: 'running' })
    record(where, 'db', { status: 'paused' })
    record(where, 'old', { status: 'exited' })
    t.deepEqual(await words('cloister rm ', where), ['db', 'old', 'web'])
    t.deepEqual(await words('cloister rm web -f ', where), ['db', 'old'])
    t.deepEqual(await words('cloister stop ', where), ['db', 'web'])
    t.deepEqual(await words('cloister resume ', where), ['db'])
    t.deepEqual(await words('cloister logs o', where), ['old'])
  })

  shellTest(`${shell} completes paths: a SOURCE, the program's own words, FILE and DIR`, shell, async (t) => {
    const where = setting(t)
    mkdirSync(join(where.directory, 'tree'))
    writeFileSync(join(where.directory, 'travel'), '')
    writeFileSync(join(where.directory, 'two words'), '')
    const plain = async (line: string): Promise<string[]> =>
      (await words(line, where)).map((word) => word.replaceAll('\\', '').replace(/\/$/, ''))
    t.deepEqual(await plain('cloister run ./tr'), ['./travel', './tree'])
    t.deepEqual(await plain('cloister run ./prog --isolation tr'), ['travel', 'tree'])
    t.deepEqual(await plain('cloister run --rootfs tr'), ['tree'])
    t.deepEqual(await plain('cloister run --kernel tra'), ['travel'])
    t.deepEqual(
      (await plain('cloister run --rootfs=tr')).map((word) => word.replace('--rootfs=', '')),
      ['tree'],
    )
    t.deepEqual(await plain('cloister run ./prog two'), ['two words'])
  })

  shellTest(`${shell} neither offers nor runs what somebody planted among the instances`, shell, async (t) => {
    const where = setting(t)
    const planted = [
      '$(touch ran)',
      '`touch ran`',
      ';touch ran',
      '-f',
      'a b',
      "it's",
      'new\nline',
      'tab\tbed',
      '*',
      '.x',
    ]
    for (const name of planted) record(where, name, { status: 'running' })
    record(where, 'web', { status: '$(touch ran)\u001b[31m' })
    t.deepEqual(await words('cloister rm ', where), ['web'])
    t.false(existsSync(join(where.directory, 'ran')))
  })

  shellTest(`${shell} does not run the command that is being typed`, shell, async (t) => {
    const where = setting(t)
    const trap = join(where.directory, 'cloister')
    writeFileSync(trap, '#!/bin/sh\necho trapped\ntouch ran\n', { mode: 0o755 })
    t.deepEqual(await words('./cloister ver', where), ['version'])
    t.false(existsSync(join(where.directory, 'ran')))
  })
}

shellTest('fish says what each of its offers is', 'fish', async (t) => {
  const where = setting(t)
  record(where, 'web', { status: 'running' })
  t.deepEqual(await offeredBy('fish', 'cloister rm ', where), ['web\tunikernel, running'])
  t.deepEqual(await offeredBy('fish', 'cloister ps --al', where), ['--all\tAlso those that have ended'])
})
