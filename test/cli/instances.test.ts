import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ownIdentity } from '../../src/instance/process-identity.ts'
import { writeState } from '../../src/instance/record.ts'
import { InstanceStore } from '../../src/instance/store.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { type Cli, commandLine } from '../helpers/cli.ts'

function storeOf({ root }: Cli): InstanceStore {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  return new InstanceStore(join(root, 'run'))
}

const claim = (store: InstanceStore, name: string, argv: string[] = ['true']) =>
  store.claim({
    name,
    removeOnExit: false,
    spec: (given) => busyboxSpec(argv, { name: given, isolation: 'unikernel' }),
  })

const names = (text: string): string[] => (JSON.parse(text) as { name: string }[]).map(({ name }) => name)

test('ps lists what runs, ps -a also what has ended, with its status', async (t) => {
  const cloister = commandLine(t)
  const store = storeOf(cloister)
  claim(store, 'web', ['sleep', '10'])
  claim(store, 'old').finish({ exitCode: 7 })
  t.deepEqual(names((await cloister(['ps', '--json'])).stdout), ['web'])
  t.deepEqual(names((await cloister(['ps', '-a', '--json'])).stdout).sort(), ['old', 'web'])
  const { stdout } = await cloister(['ps', '-a'])
  t.regex(stdout, /^NAME +ISOLATION +STATUS +CREATED +COMMAND$/m)
  t.regex(stdout, /^web +unikernel +running +\d+ s ago +\/bin\/busybox sleep 10$/m)
  t.regex(stdout, /^old +unikernel +exited \(7\) +\d+ s ago +\/bin\/busybox true$/m)
})

test('the arguments on record cannot write to the terminal of whoever lists them', async (t) => {
  const cloister = commandLine(t)
  claim(storeOf(cloister), 'web', ['\u001b[2Jboo\n', '\u202eevil'])
  const { stdout } = await cloister(['ps'])
  t.true(stdout.includes('/bin/busybox ?[2Jboo? ?evil'))
  t.is(stdout.trimEnd().split('\n').length, 2)
})

test('rm forgets what has ended, and says what it removed', async (t) => {
  const cloister = commandLine(t)
  const store = storeOf(cloister)
  for (const name of ['a', 'b']) claim(store, name).finish({ exitCode: 0 })
  t.deepEqual(await cloister(['rm', 'a', 'b']), { status: 0, stdout: 'a\nb\n', stderr: '' })
  t.deepEqual(store.list(), [])
})

test('rm refuses what runs and what is not there, does the rest, and ends with 1', async (t) => {
  const cloister = commandLine(t)
  const store = storeOf(cloister)
  claim(store, 'running')
  claim(store, 'ended').finish({ exitCode: 0 })
  const { status, stdout, stderr } = await cloister(['rm', 'running', 'nowhere', 'ended', '../live'])
  t.is(status, 1)
  t.is(stdout, 'ended\n')
  t.regex(stderr, /Cannot remove instance "running": it is running\.\n {2}End it with "cloister rm -f running"/)
  t.regex(stderr, /Cannot remove instance "nowhere": there is none of that name\./)
  t.regex(stderr, /Cannot use "\.\.\/live" as a name/)
  t.true(store.has('running'))
  t.is((await cloister(['rm', '-f', 'nowhere'])).status, 0)
})

/** A record that says `running`, held by the given process. */
function heldBy(t: ExecutionContext, cloister: Cli, pid: number): void {
  const store = storeOf(cloister)
  const { directory } = claim(store, 'web')
  const { state } = store.read('web')!
  t.is(state.owner.pid, process.pid)
  writeState(directory, { ...state, owner: { ...ownIdentity(), pid } })
}

test('an instance whose Cloister process is gone is shown as crashed by the next command', async (t) => {
  const cloister = commandLine(t)
  const script = `
    import { InstanceStore } from ${JSON.stringify(new URL('../../src/instance/store.js', import.meta.url).href)}
    const spec = (name) => ({ name, argv: ['true'], env: [], isolation: 'unikernel' })
    new InstanceStore(${JSON.stringify(join(cloister.root, 'run'))}).claim({ name: 'web', removeOnExit: false, spec })
    process.kill(process.pid, 'SIGKILL')`
  storeOf(cloister)
  await once(spawn(process.execPath, ['--input-type=module', '-e', script]), 'exit')
  const { stdout } = await cloister(['ps', '-a', '--json'])
  t.like(JSON.parse(stdout)[0], { name: 'web', status: 'crashed' })
  t.is((await cloister(['rm', 'web'])).status, 0)
  t.false(existsSync(join(cloister.root, 'run/instances/web')))
})

test('rm -f ends the process that holds the instance, and no other one that has its pid by now', async (t) => {
  const cloister = commandLine(t)
  const bystander = spawn('/bin/sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => bystander.kill('SIGKILL'))
  heldBy(t, cloister, bystander.pid!)
  t.is((await cloister(['rm', '-f', 'web'])).status, 0)
  t.is(bystander.exitCode, null)
  t.is(bystander.signalCode, null)
})
