/** The whole way of a microVM: a boot, starts from what it left, and a boot again when that is damaged. */
import { copyFileSync, readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { type Cli, commandLineIn } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { ownKernelTest } from '../helpers/microvm.ts'

/** A boot under an emulated kernel, on a host that does other things too. */
const PATIENCE_MS = 5 * 60_000
/** From what a program prints to the end of its run. */
const SLACK_S = 4

const cloister = (t: ExecutionContext): Cli => commandLineIn(join(temporaryDirectory(t), 'root'), PATIENCE_MS)
const snapshots = ({ root }: Cli): string[] =>
  readdirSync(join(root, 'data/warm')).filter((name) => /^[0-9a-f]{40}$/.test(name))
const startOf = async (run: Cli, name: string): Promise<string> => {
  const { stdout } = await run(['inspect', name])
  return /"start": "(\w+)"/.exec(stdout)?.[1] ?? stdout
}

ownKernelTest(
  'the first microVM boots, the next ones go on from there, and a damaged snapshot is no fault',
  async (t) => {
    const run = cloister(t)
    const microvm = ['run', '--isolation', 'microvm']
    const who = 'hostname; head -c 16 /dev/urandom | md5sum; read up idle < /proc/uptime; echo $up; exit 3'

    const first = await run([...microvm, '--name', 'first', BUSYBOX, 'sh', '-c', who])
    t.is(first.status, 3, first.stderr)
    t.is(snapshots(run).length, 2)
    t.is(await startOf(run, 'first'), 'cold')

    const second = await run([...microvm, '--name', 'second', BUSYBOX, 'sh', '-c', who])
    t.is(second.status, 3, second.stderr)
    t.is(await startOf(run, 'second'), 'warm')
    t.deepEqual(
      [first, second].map(({ stdout }) => stdout.split('\n')[0]),
      ['first', 'second'],
    )
    t.not(first.stdout.split('\n')[1], second.stdout.split('\n')[1])

    // A guest's clock does not count the time that it lay in a file: it has run no longer than the command did.
    await sleep(2 * SLACK_S * 1000)
    const began = performance.now()
    const later = await run([...microvm, '--name', 'later', BUSYBOX, 'sh', '-c', who.replace('exit 3', 'date +%s')])
    const uptimes = [first, later].map(({ stdout }) => Number(stdout.split('\n')[2]))
    t.true(uptimes[1]! < uptimes[0]! + (performance.now() - began) / 1000 + SLACK_S, uptimes.join(', '))
    // The time of day is read without the kernel, and right.
    t.true(Math.abs(Number(later.stdout.split('\n')[3]) - Date.now() / 1000) < 2 * SLACK_S, later.stdout)

    const input = await run(
      [...microvm, '-i', '-e', 'A=from outside', '-w', '/tmp', BUSYBOX, 'sh', '-c', 'cat; pwd; echo $A'],
      {
        input: 'a line\n',
      },
    )
    t.like(input, { status: 0, stdout: 'a line\n/tmp\nfrom outside\n' }, input.stderr)

    // Another program goes on from the booted kernel; asked for again, it leaves a snapshot of its own to go on from.
    const other = join(temporaryDirectory(t), 'busybox')
    copyFileSync(BUSYBOX, other)
    for (const [index, count] of [2, 3, 3].entries()) {
      const { status, stdout, stderr } = await run([...microvm, '--name', `other-${index}`, other, 'echo', 'hi'])
      t.deepEqual([status, stdout], [0, 'hi\n'], stderr)
      t.is(await startOf(run, `other-${index}`), 'warm')
      t.is(snapshots(run).length, count)
    }

    const kept = snapshots(run)
    for (const name of kept) truncateSync(join(run.root, 'data/warm', name, 'memory'), 4096)
    const after = await run([...microvm, '--log-level', 'info', '--name', 'after', BUSYBOX, 'true'])
    t.is(after.status, 0, after.stderr)
    t.regex(after.stderr, /the guest boots anew: /)
    t.is(await startOf(run, 'after'), 'cold')
  },
)
