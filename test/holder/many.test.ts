import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { shortSocketPath } from '../../src/control/socket-path.ts'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { containerTest } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { holdersOf, leftoversOf } from '../helpers/leftovers.ts'

const LEVELS = [
  { isolation: 'unikernel', levelTest: kvmTestSerial },
  { isolation: 'container', levelTest: containerTest },
] as const

const MANY = 30
const AT_ONCE = 10
const CONNECTIONS = 200

/** One connection as some client might make it, to its end. */
const converse = (directory: string, what: string): Promise<void> =>
  new Promise((resolve) => {
    const { path, close } = shortSocketPath(directory)
    const socket = connect(path, () => {
      close()
      socket.write(what)
      // One answer, or none: either way it leaves, as rudely as a killed command would.
      socket.once('data', () => socket.destroy())
      setTimeout(() => socket.destroy(), 20)
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve())
  })

const TALK = [
  '{"verb":"stats"}\n',
  '{"verb":"wait"}\n',
  '{"verb":"attach","input":true}\nxxxxxxxxxxxxxxxxxxxx',
  '{"verb":"resume"}\n',
  'nonsense\n',
  '{"verb":',
  '',
]

for (const { isolation, levelTest } of LEVELS) {
  levelTest(
    `${isolation}: ${MANY} detached at once are listed and measured, and rm -f leaves nothing of any`,
    async (t) => {
      t.timeout(120_000)
      const cloister = commandLine(t)
      const names = Array.from({ length: MANY }, (_, at) => `many${at}`)
      t.teardown(() => cloister(['rm', '-f', ...names]))
      for (let at = 0; at < MANY; at += AT_ONCE) {
        const started = names.slice(at, at + AT_ONCE).map(async (name) => {
          const options = ['--isolation', isolation, '--memory', '32M', '--name', name]
          const { status, stderr } = await cloister(['run', '-d', ...options, BUSYBOX, 'sleep', '600'])
          t.is(status, 0, stderr)
        })
        await Promise.all(started)
      }
      t.deepEqual(namesIn((await cloister(['ps', '--json'])).stdout), names.toSorted())
      t.deepEqual(namesIn((await cloister(['stats', '--json'])).stdout), names.toSorted())
      const { status, stdout, stderr } = await cloister(['rm', '-f', ...names])
      t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${names.join('\n')}\n`, stderr: '' })
      t.deepEqual(await leftoversOf(cloister.root, names), [])
    },
  )

  levelTest(`${isolation}: ${CONNECTIONS} connections of all kinds leave no descriptor in the holder`, async (t) => {
    const cloister = commandLine(t)
    t.teardown(() => cloister(['rm', '-f', 'web']))
    await cloister(['run', '-d', '-i', '--isolation', isolation, '--name', 'web', BUSYBOX, 'sleep', '600'])
    const directory = join(cloister.root, 'run/instances/web')
    const [holder] = holdersOf(cloister.root)
    const descriptors = () => readdirSync(`/proc/${holder!.pid}/fd`).length
    // What is opened once, at the first of its kind, is no leak.
    for (const what of TALK) await converse(directory, what)
    const before = await settled(descriptors)
    for (let at = 0; at < CONNECTIONS; at += AT_ONCE) {
      const talks = Array.from({ length: AT_ONCE }, (_, offset) =>
        converse(directory, TALK[(at + offset) % TALK.length]!),
      )
      await Promise.all(talks)
    }
    t.is(await settled(descriptors, before), before)
    await stillThere(t, cloister)
  })
}

const namesIn = (json: string): string[] => (JSON.parse(json) as { name: string }[]).map(({ name }) => name).sort()

async function stillThere(t: ExecutionContext, cloister: ReturnType<typeof commandLine>): Promise<void> {
  t.is((await cloister(['stats', 'web'])).status, 0)
}

/** The number once it stands still, or is what is hoped for: the holder closes its ends in its own time. */
async function settled(count: () => number, hoped?: number): Promise<number> {
  let last = count()
  for (let looks = 0; looks < 100 && last !== hoped; looks++) {
    await sleep(50)
    const now = count()
    if (hoped === undefined && now === last) return now
    last = now
  }
  return last
}
