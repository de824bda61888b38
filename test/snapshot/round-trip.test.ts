/** A machine that is saved to files while it goes on, and machines that go on from those files. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { HostError, UsageError } from '../../src/errors.ts'
import { readImage } from '../../src/memory/memory-image.ts'
import { MIB, PAGE_SIZE } from '../../src/memory/memory-map.ts'
import { listSnapshots, removeSnapshot } from '../../src/snapshot/list.ts'
import { type OpenSnapshot, openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { takeSnapshot } from '../../src/snapshot/take-snapshot.ts'
import { openWorkshop, sweepSnapshots } from '../../src/snapshot/workshop.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { bootStorm, restoreStorm, STORM_MEMORY, type Storm } from '../helpers/storm.ts'

const CHILD = fileURLToPath(new URL('../helpers/snapshot-process.js', import.meta.url))
const CLONES = 50
const RESTORES = 200

function scratch(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-snapshots-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Closed with the test. */
function kept(t: ExecutionContext, storm: Storm): Storm {
  t.teardown(() => storm.machine.close())
  return storm
}

async function running(t: ExecutionContext, options: Parameters<typeof bootStorm>[0] = {}): Promise<Storm> {
  const storm = kept(t, await bootStorm(options))
  storm.machine.start()
  await storm.moved(new Array(options.cpus ?? 1).fill(0))
  return storm
}

async function opened(t: ExecutionContext, directory: string): Promise<OpenSnapshot> {
  const snapshot = await openSnapshot(directory)
  t.teardown(() => snapshot.close())
  return snapshot
}

async function goneOn(t: ExecutionContext, snapshot: OpenSnapshot): Promise<Storm> {
  const storm = kept(t, await restoreStorm(snapshot))
  storm.machine.start()
  await storm.moved()
  return storm
}

const contentsOf = ({ memory }: OpenSnapshot): Buffer => {
  const bytes = Buffer.alloc(memory.size)
  readImage(memory, 0, bytes)
  return bytes
}

/** @param atOnce vCPUs that run at the same time */
async function inChild(what: string, directory: string, count = 1, atOnce = 1): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, what, directory, String(count)], {
    env: { ...process.env, UV_THREADPOOL_SIZE: String(atOnce + 2) },
    timeout: 170_000,
  })
  return JSON.parse(stdout)
}

for (const cpus of [1, 2]) {
  kvmTestSerial(
    `a machine of ${cpus} vCPUs goes on from files where it was, and so does the one they were taken from`,
    async (t) => {
      const directory = join(scratch(t), 'first')
      const source = await running(t, { cpus })
      const before = source.steps()
      const { bytes } = await source.take(directory)
      const after = source.steps()
      await source.moved(after)
      t.true(bytes > 0 && bytes < 2 * MIB, 'only what was written is in it')
      t.true(statSync(join(directory, 'memory')).blocks * 512 < 4 * MIB)

      const snapshot = await openSnapshot(directory)
      const clone = kept(t, await restoreStorm(snapshot, { cpus }))
      snapshot.close()
      const from = clone.steps()
      t.true(from.every((step, id) => step >= before[id]! && step <= after[id]!))
      clone.machine.start()
      await clone.moved(from)
      t.is(clone.output(), '', 'it did not boot again')
    },
  )
}

kvmTestSerial(
  'files of that moment are written while it stands still, files that never change beside its work',
  async (t) => {
    const directory = join(scratch(t), 'with-files')
    const source = await running(t)
    const stoodStill: Record<string, boolean> = {}
    const file = (name: string, unchanging: boolean) => ({
      name,
      unchanging,
      write(path: string) {
        stoodStill[name] = source.machine.isPaused()
        writeFileSync(path, name)
      },
    })
    await source.take(directory, { files: [file('image', true), file('disk', false)] })
    t.deepEqual(stoodStill, { disk: true, image: false })
    const { manifest } = await opened(t, directory)
    t.deepEqual(
      manifest.files.map(({ name, bytes }) => [name, bytes]),
      [
        ['image', 5],
        ['disk', 4],
      ],
    )
  },
)

kvmTestSerial(
  'one that goes on from files can be saved again, in full and as a diff, and diffs to diffs',
  async (t) => {
    const parent = scratch(t)
    const source = await running(t)
    source.ram.memory.bytes(8 * MIB, 2 * MIB).fill(0xab)
    await source.take(join(parent, 'base'))
    const base = await opened(t, join(parent, 'base'))

    const first = await goneOn(t, base)
    first.ram.memory.bytes(9 * MIB, PAGE_SIZE).fill(0)
    first.ram.memory.writeU32(12 * MIB, 0x1234)
    await first.machine.pause()
    const changed = await first.take(join(parent, 'diff'), { base })
    await first.take(join(parent, 'full'))
    t.is(changed.manifest.memory.kind, 'diff')
    t.true(changed.bytes >= 3 * PAGE_SIZE && changed.bytes <= 16 * PAGE_SIZE, `${changed.bytes} bytes`)
    const diff = await opened(t, join(parent, 'diff'))
    const full = await opened(t, join(parent, 'full'))
    t.true(contentsOf(diff).equals(first.ram.memory.bytes(0, STORM_MEMORY)))
    t.true(contentsOf(full).equals(contentsOf(diff)))

    const second = await goneOn(t, diff)
    t.true(second.steps()[0]! > first.steps()[0]!)
    await second.machine.pause()
    await second.take(join(parent, 'diff-2'), { base: diff })
    const last = await opened(t, join(parent, 'diff-2'))
    t.true(contentsOf(last).equals(second.ram.memory.bytes(0, STORM_MEMORY)))
    await goneOn(t, last)
  },
)

kvmTestSerial(
  'a diff of a machine that never came from files holds what it wrote since, and what it gave up',
  async (t) => {
    const parent = scratch(t)
    const { machine, take, ram, moved } = await running(t)
    ram.memory.bytes(8 * MIB, 2 * MIB).fill(0xab)
    await take(join(parent, 'base'))
    const base = await opened(t, join(parent, 'base'))
    await moved()
    ram.memory.bytes(8 * MIB, 64 * 1024).fill(0)
    await machine.pause()
    const { bytes } = await take(join(parent, 'diff'), { base })
    t.true(bytes < 96 * 1024, `${bytes} bytes`)
    t.true(contentsOf(await opened(t, join(parent, 'diff'))).equals(ram.memory.bytes(0, STORM_MEMORY)))
  },
)

kvmTestSerial('a diff without its base, or beside another of that name, is refused', async (t) => {
  const parent = scratch(t)
  const source = await running(t)
  await source.take(join(parent, 'base'))
  const base = await openSnapshot(join(parent, 'base'))
  await source.take(join(parent, 'diff'), { base })
  await t.throwsAsync(source.take(join(scratch(t), 'elsewhere'), { base }), {
    instanceOf: UsageError,
    message: /side by side/,
  })
  base.close()
  t.throws(() => removeSnapshot(join(parent, 'base')), { instanceOf: UsageError, message: /diff hold only/ })
  renameSync(join(parent, 'base'), join(parent, 'old'))
  await t.throwsAsync(openSnapshot(join(parent, 'diff')), {
    instanceOf: HostError,
    message: /diff to base.*there is no snapshot\.json/,
  })
  await source.take(join(parent, 'base'))
  await t.throwsAsync(openSnapshot(join(parent, 'diff')), {
    instanceOf: HostError,
    message: /base, which is another one/,
  })
})

kvmTestSerial('machines go on from a snapshot that is removed meanwhile, and can still be saved', async (t) => {
  const parent = scratch(t)
  const source = await running(t)
  await source.take(join(parent, 'first'))
  const snapshot = await openSnapshot(join(parent, 'first'))
  const clone = kept(t, await restoreStorm(snapshot))
  snapshot.close()
  removeSnapshot(join(parent, 'first'))
  t.deepEqual(listSnapshots(parent), [])
  clone.machine.start()
  await clone.moved()
  await clone.take(join(parent, 'second'))
  await goneOn(t, await opened(t, join(parent, 'second')))
})

kvmTestSerial('one that stands still is saved as it stands, and stays so', async (t) => {
  const parent = scratch(t)
  const { machine, ram, take, steps, shape, moved } = await running(t)
  await machine.pause()
  const before = steps()
  await take(join(parent, 'paused'))
  t.true(machine.isPaused())
  t.deepEqual(steps(), before)
  machine.resume()
  await moved()
  // Its user pauses it while it is being saved.
  let paused = false
  const onContinued = () => {
    paused = true
  }
  const request = { directory: join(parent, 'during'), level: 'bare', spec: null, machine: shape, onContinued }
  await takeSnapshot({ machine, ram, keepPaused: () => paused }, request)
  t.true(machine.isPaused())
})

kvmTestSerial('of one guest one snapshot is taken at a time', async (t) => {
  const parent = scratch(t)
  const { take, moved } = await running(t)
  const first = take(join(parent, 'first'))
  await t.throwsAsync(take(join(parent, 'second')), { instanceOf: HostError, message: /another one of this guest/ })
  await first
  await take(join(parent, 'second'))
  await moved()
  t.deepEqual(readdirSync(parent).sort(), ['first', 'second'])
})

kvmTestSerial('files of the level are kept with it, and are those of the same moment', async (t) => {
  const parent = scratch(t)
  const { machine, take } = await running(t)
  const files = [
    {
      name: 'disk-0',
      write(path: string) {
        t.true(machine.isPaused())
        writeFileSync(path, Buffer.alloc(3 * MIB + 5, 'sector'))
      },
    },
  ]
  await take(join(parent, 'with'), { files, spec: { program: '/bin/true' }, digests: { kernel: 'a'.repeat(64) } })
  const snapshot = await opened(t, join(parent, 'with'))
  t.deepEqual(snapshot.spec, { program: '/bin/true' })
  t.is(snapshot.manifest.digests.kernel, 'a'.repeat(64))
  t.is(statSync(snapshot.file('disk-0').path).size, 3 * MIB + 5)
  t.throws(() => snapshot.file('disk-1'), { instanceOf: HostError })
  snapshot.close()
  writeFileSync(snapshot.file('disk-0').path, Buffer.alloc(3 * MIB + 5, 'other!'))
  await t.throwsAsync(openSnapshot(join(parent, 'with')), {
    instanceOf: HostError,
    message: /file\.disk-0 is not what was written/,
  })
})

kvmTestSerial('what cannot be saved leaves nothing behind, and the guest goes on', async (t) => {
  const parent = scratch(t)
  const { machine, take, moved } = await running(t)
  const full = { name: 'disk', write: () => writeFileSync('/dev/full', 'a sector') }
  await t.throwsAsync(take(join(parent, 'full'), { files: [full] }), {
    instanceOf: HostError,
    message: /the disk is full/,
  })
  await t.throwsAsync(take(join(parent, 'called-off'), { signal: AbortSignal.abort() }), {
    instanceOf: HostError,
    message: /called off/,
  })
  const soon = new AbortController()
  const write = (_: string, step: () => void) => {
    soon.abort()
    step()
    t.fail('a file is written that nobody wants any more')
  }
  const image = { name: 'image', unchanging: true, write }
  await t.throwsAsync(take(join(parent, 'called-off-later'), { files: [image], signal: soon.signal }), {
    instanceOf: HostError,
    message: /called off/,
  })
  await t.throwsAsync(take(join(parent, '.hidden')), { instanceOf: UsageError })
  mkdirSync(join(parent, 'there'))
  await t.throwsAsync(take(join(parent, 'there')), { instanceOf: UsageError, message: /is there already/ })
  t.deepEqual(readdirSync(parent), ['there'])
  await moved()
  machine.stop()
  await machine.ended
  await t.throwsAsync(take(join(parent, 'late')), { instanceOf: HostError, message: /has ended/ })
  t.deepEqual(readdirSync(parent), ['there'])
})

kvmTestSerial(
  'a writer that is killed leaves nothing that is taken for a snapshot, and the next one cleans up',
  async (t) => {
    const parent = scratch(t)
    await t.throwsAsync(inChild('die', join(parent, 'never')), { message: /SIGKILL|failed/ })
    const [left, ...others] = readdirSync(parent)
    t.deepEqual(others, [])
    t.true(left!.startsWith('.never.new-'))
    t.true(existsSync(join(parent, left!, 'memory')))
    t.deepEqual(listSnapshots(parent), [])
    // Its lock went with it.
    const working = openWorkshop(join(parent, 'working'))
    t.deepEqual(sweepSnapshots(parent), [], 'the one before has swept already, and this one is at work')
    t.is(readdirSync(parent).length, 1)
    working.abandon()
    t.deepEqual(readdirSync(parent), [])
  },
)

kvmTestSerial(`${RESTORES} restores in a row leave no descriptor, no mapping and no file behind`, async (t) => {
  t.timeout(180_000)
  const directory = join(scratch(t), 'snapshot')
  const source = await running(t)
  await source.take(directory)
  const { first, last } = await inChild('restores', directory, RESTORES)
  t.deepEqual(last, first)
})

kvmTestSerial(`${CLONES} machines go on from one snapshot at once, each by itself`, async (t) => {
  const directory = join(scratch(t), 'snapshot')
  const source = await running(t)
  await source.take(directory)
  const { same, different } = await inChild('clones', directory, CLONES, CLONES)
  t.is(same, 1)
  t.true((different as number) > 1)
})
