/** Completion in the shells themselves: the words that each of them puts into a line. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import { ownIdentity } from '../../src/instance/process-identity.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { missingShells, openShell, SHELLS, type Shell, type ShellSetting } from '../helpers/shells.ts'

/** bash is on every Debian; the others are for those who have them. */
function shellTest(title: string, shell: Shell, work: (t: ExecutionContext) => Promise<void>): void {
  if (missingShells.has(shell) && shell !== 'bash') anyTest.skip(`${title} (skipped: ${shell} is not installed)`, work)
  // Each starts a dozen processes.
  else anyTest.serial(title, work)
}

function setting(t: ExecutionContext): ShellSetting {
  const directory = temporaryDirectory(t)
  return { directory, root: join(directory, '.root') }
}

function record({ root }: ShellSetting, name: string, state: object): void {
  const directory = join(root, 'run/instances', name)
  mkdirSync(directory, { recursive: true })
  const config = { spec: { name, isolation: 'unikernel', argv: ['true'] }, createdAt: new Date().toISOString() }
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config))
  writeFileSync(join(directory, 'state.json'), JSON.stringify({ owner: ownIdentity(), ...state }))
  // Every instance that runs has a marker; one whose process died has one until somebody notices.
  mkdirSync(join(root, 'run/live'), { recursive: true })
  writeFileSync(join(root, 'run/live', `1-1-${name}`), '')
}

for (const shell of SHELLS) {
  /** Without what fish says about the words. */
  const asking = (where: ShellSetting) => {
    const { offered } = openShell(shell, where)
    return async (line: string): Promise<string[]> => (await offered(line)).map((offer) => offer.split('\t')[0]!)
  }

  shellTest(`${shell} completes commands`, shell, async (t) => {
    const words = asking(setting(t))
    t.deepEqual(await words('cloister ver'), ['version'])
    const all = await words('cloister ')
    for (const name of ['run', 'ps', 'rm', 'compare', 'doctor', 'completion', 'help', 'version']) {
      t.true(all.includes(name), name)
    }
    t.false(all.includes('__complete'))
  })

  shellTest(`${shell} completes options, and their values after a blank and after =`, shell, async (t) => {
    const words = asking(setting(t))
    t.deepEqual(await words('cloister run --log-'), ['--log-format', '--log-level', '--log-size'])
    t.deepEqual(await words('cloister run --isolation '), ['container', 'microvm', 'unikernel'])
    t.deepEqual(
      (await words('cloister run --isolation=u')).map((word) => word.replace('--isolation=', '')),
      ['unikernel'],
    )
    t.deepEqual(await words('cloister completion '), ['bash', 'fish', 'zsh'])
  })

  shellTest(`${shell} completes names of instances by what can be done with them`, shell, async (t) => {
    const where = setting(t)
    record(where, 'web', { status: 'running' })
    record(where, 'db', { status: 'paused' })
    record(where, 'old', { status: 'exited' })
    record(where, 'gone', { status: 'running', owner: { pid: 1, startTime: 'another' } })
    const words = asking(where)
    t.deepEqual(await words('cloister rm '), ['db', 'gone', 'old', 'web'])
    t.deepEqual(await words('cloister rm web -f '), ['db', 'gone', 'old'])
    t.deepEqual(await words('cloister stop '), ['db', 'web'])
    t.deepEqual(await words('cloister resume '), ['db'])
    t.deepEqual(await words('cloister logs o'), ['old'])
  })

  shellTest(`${shell} completes paths: a SOURCE, the program's own words, FILE and DIR`, shell, async (t) => {
    const where = setting(t)
    mkdirSync(join(where.directory, 'tree'))
    writeFileSync(join(where.directory, 'travel'), '')
    writeFileSync(join(where.directory, 'two words'), '')
    const words = asking(where)
    const plain = async (line: string): Promise<string[]> =>
      (await words(line)).map((word) => word.replaceAll('\\', '').replace(/\/$/, ''))
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
    t.deepEqual(await asking(where)('cloister rm '), ['web'])
    t.false(existsSync(join(where.directory, 'ran')))
  })

  shellTest(`${shell} does not run the command that is being typed`, shell, async (t) => {
    const where = setting(t)
    const trap = join(where.directory, 'cloister')
    writeFileSync(trap, '#!/bin/sh\necho trapped\ntouch ran\n', { mode: 0o755 })
    t.deepEqual(await asking(where)('./cloister ver'), ['version'])
    t.false(existsSync(join(where.directory, 'ran')))
  })
}

shellTest('fish says what each of its offers is', 'fish', async (t) => {
  const where = setting(t)
  record(where, 'web', { status: 'running' })
  const { offered } = openShell('fish', where)
  t.deepEqual(await offered('cloister rm '), ['web\tunikernel, running'])
  t.deepEqual(await offered('cloister ps --al'), ['--all\tAlso those that have ended'])
})

shellTest('zsh shows what each of its offers is', 'zsh', async (t) => {
  const screen = await openShell('zsh', setting(t)).listed('cloister ps --')
  t.regex(screen, /--all +-- Also those that have ended/)
  t.regex(screen, /--json +-- Print one JSON document/)
})

shellTest('zsh loads the script from a directory of $fpath', 'zsh', async (t) => {
  const where = setting(t)
  const functions = join(where.directory, '.functions')
  mkdirSync(functions)
  const first = [`cloister completion zsh >${functions}/_cloister`, `fpath=(${functions} $fpath)`]
  t.deepEqual(await openShell('zsh', { ...where, first }).offered('cloister completion '), ['bash', 'fish', 'zsh'])
})
