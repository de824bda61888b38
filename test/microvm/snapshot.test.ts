/** Snapshots and clones of microVMs, from the command line: a Linux and its programs go on in several places. */
import { closeSync, linkSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import type { Cli } from '../helpers/cli.ts'
import { detachedCommandLine, recordOf, until } from '../helpers/detached.ts'
import { type MicrovmKernel, microvmTest } from '../helpers/microvm.ts'

const SLOW = { hangMs: 10 * 60_000 }
/** Forks nothing: that is what takes long where kernel mode is emulated. */
const ANSWER =
  'n=0; while read -r word; do n=$((n+1)); read -r name < /proc/sys/kernel/hostname; echo "$word $n from $name"; done; exit 5'
const TICK = `while :; do ${BUSYBOX} date +%s; ${BUSYBOX} sleep 1; done`

type Ask = (words: readonly string[], input?: string) => Promise<string>

/** Each command that ends well is told what it printed; any other ends the test. */
const asking =
  (t: ExecutionContext, cloister: Cli): Ask =>
  async (words, input) => {
    const { status, stdout, stderr } = await cloister(words, { ...SLOW, ...(input !== undefined && { input }) })
    t.is(status, 0, `${words.join(' ')}: ${stderr}`)
    return stdout
  }

const start = async (t: ExecutionContext, kernel: MicrovmKernel, script: string, ...options: string[]) => {
  const cloister = detachedCommandLine(t)
  const ask = asking(t, cloister)
  const memory = Math.max(64, kernel.leastMemoryMib)
  const asked = ['run', '-d', '--isolation', 'microvm', '--memory', `${memory}M`, ...kernel.options(t), ...options]
  await ask([...asked, '--name', 'v', BUSYBOX, 'sh', '-c', script])
  return { cloister, ask }
}

const hello = async (t: ExecutionContext, cloister: Cli, name: string): Promise<string> => {
  const { status, stdout, stderr } = await cloister(['attach', name], { ...SLOW, input: 'hello\n' })
  t.is(status, 5, stderr)
  return stdout
}

microvmTest('clones of a microVM go on where it was, under names of their own', async (t, kernel) => {
  const { cloister, ask } = await start(t, kernel, ANSWER, '-i')
  t.is(await ask(['snapshot', 'create', 'v', 's1']), 's1\n')
  t.is(await ask(['clone', 's1', '--name', 'c', '--count', '3']), 'c-1\nc-2\nc-3\n')
  const random = await Promise.all(
    ['v', 'c-1', 'c-2'].map((name) => ask(['exec', name, BUSYBOX, 'hexdump', '-n', '16', '/dev/urandom'])),
  )
  t.is(new Set(random).size, 3)

  const [s1] = JSON.parse(await ask(['snapshot', 'ls', '--json'])) as Record<string, unknown>[]
  t.like(s1, { name: 's1', level: 'microvm', instance: 'v', check: 'checked' })

  await ask(['pause', 'c-3'])
  t.is(await ask(['snapshot', 'create', 'c-3', 'twice']), 'twice\n')
  t.is(await ask(['snapshot', 'create', '--base', 'twice', 'c-3', 'thrice']), 'thrice\n')
  t.is((await recordOf(cloister, 'c-3'))?.status, 'paused')
  await ask(['clone', 'thrice', '--name', 'd'])
  await ask(['resume', 'c-3'])
  await ask(['snapshot', 'rm', 's1', 'thrice', 'twice'])
  for (const name of ['v', 'c-1', 'c-2', 'c-3', 'd']) t.is(await hello(t, cloister, name), `hello 1 from ${name}\n`)
})

microvmTest('a program beside it stays in the original, and is not in a clone', async (t, kernel) => {
  const { cloister, ask } = await start(t, kernel, ANSWER, '-i')
  const beside = cloister.start(['exec', '-i', 'v', BUSYBOX, 'cat'], { ...SLOW, keepInput: true })
  beside.child.stdin!.write('before\n')
  await new Promise((resolve) => beside.child.stdout!.once('data', resolve))
  await ask(['clone', 'v', '--name', 'copy'])
  t.notRegex(await ask(['top', 'copy']), /\bcat\b/)
  beside.child.stdin!.end('after\n')
  t.like(await beside.result, { status: 0, stdout: 'before\nafter\n' })
  t.is(await hello(t, cloister, 'copy'), 'hello 1 from copy\n')
  t.is(await hello(t, cloister, 'v'), 'hello 1 from v\n')
})

microvmTest(
  'a clock that a program prints each second goes on in three clones, with the right time',
  async (t, kernel) => {
    const { cloister, ask } = await start(t, kernel, TICK)
    await until(async () => (await ask(['logs', 'v'])).includes('\n'))
    await ask(['snapshot', 'create', 'v', 's1'])
    const since = Date.now() / 1000
    await ask(['clone', 's1', '--name', 'c', '--count', '3'])
    for (const name of ['c-1', 'c-2', 'c-3']) {
      // What a tick found out before the snapshot, it may print after it.
      await until(async () => (await ask(['logs', name])).split('\n').length > 2)
      const last = Number((await ask(['logs', '--tail', '1', name])).trim())
      t.true(last >= Math.floor(since) && last <= Date.now() / 1000 + 1, `${name}: ${last}, not after ${since}`)
    }
    t.is((await recordOf(cloister, 'v'))?.status, 'running')
  },
)

microvmTest('the root image of a snapshot is its own, and one that was altered is refused', async (t, kernel) => {
  const { cloister, ask } = await start(t, kernel, ANSWER, '-i')
  await ask(['snapshot', 'create', 'v', 's1'])
  const directory = join(cloister.root, 'data/snapshots/s1')
  const image = join(directory, 'file.root.erofs')
  // Another snapshot of the same program, a second name or one name less: its times are others then, its bytes are not.
  linkSync(image, join(cloister.root, 'another-name'))
  rmSync(join(cloister.root, 'data/images/erofs'), { recursive: true })
  await ask(['clone', 's1', '--name', 'c'])
  t.is(await hello(t, cloister, 'c'), 'hello 1 from c\n')

  const file = openSync(image, 'r+')
  t.teardown(() => closeSync(file))
  // Somewhere in its super block, virtio-blk's sector 2.
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, 1024 + 64)
  writeSync(file, Uint8Array.of(byte[0]! ^ 1), 0, 1, 1024 + 64)
  const { status, stderr } = await cloister(['clone', 's1'], SLOW)
  t.is(status, 125)
  t.regex(stderr, /its file\.root\.erofs is not what was written/)
})

microvmTest('what is asked for while it is saved waits for that', async (t, kernel) => {
  const { cloister, ask } = await start(t, kernel, ANSWER, '-i')
  const starting = ['a', 'b'].map((word) => ask(['exec', 'v', BUSYBOX, 'echo', word]))
  const saving = ask(['snapshot', 'create', 'v', 's1'])
  starting.push(...['c', 'd', 'e'].map((word) => ask(['exec', 'v', BUSYBOX, 'echo', word])))
  t.is(await saving, 's1\n')
  t.deepEqual(await Promise.all(starting), ['a\n', 'b\n', 'c\n', 'd\n', 'e\n'])
  t.is(await hello(t, cloister, 'v'), 'hello 1 from v\n')
})
