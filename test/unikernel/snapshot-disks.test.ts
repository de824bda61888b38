/** Disks in snapshots of unikernels: each copy has them as they were then, whatever was under way. */
import { execFileSync } from 'node:child_process'
import {
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { HostError } from '../../src/errors.ts'
import type { DiskSpec, RunSpec } from '../../src/instance/run-spec.ts'
import { packageRoot } from '../../src/paths.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { guestPath } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { type LiveUnikernel, openUnikernel } from '../helpers/unikernels.ts'

const BLOCK = 4096
const programs = mkdtempSync(join(tmpdir(), 'cloister-disk-sequence-'))
const SEQUENCE = join(programs, 'disk-sequence')

// Overlays take their space there.
process.env.CLOISTER_ROOT = join(programs, 'root')

test.before('the program is built', () => {
  const source = join(packageRoot, 'guest-kernel/tests/programs/disk-sequence.c')
  execFileSync('gcc', ['-static', '-O1', '-Wall', '-Werror', '-o', SEQUENCE, source])
})

test.after.always('it is removed', () => rmSync(programs, { recursive: true, force: true }))

/** A shell that does what its input says, one line at a time. */
const shell = (name: string, disks: readonly DiskSpec[], changes: Partial<RunSpec> = {}): RunSpec =>
  busyboxSpec(['sh'], { name, isolation: 'unikernel', memoryBytes: 32 * 2 ** 20, interactive: true, disks, ...changes })

async function started(t: ExecutionContext, spec: RunSpec): Promise<LiveUnikernel> {
  const live = openUnikernel(t, spec)
  await live.instance.start()
  return live
}

async function snapshotOf(t: ExecutionContext, { instance }: LiveUnikernel): Promise<string> {
  const directory = join(temporaryDirectory(t), 'one')
  await instance.snapshot!({ directory })
  return directory
}

function image(t: ExecutionContext, letter = 'a', blocks = 64): string {
  const path = join(temporaryDirectory(t), 'disk.img')
  writeFileSync(path, letter.repeat(BLOCK))
  truncateSync(path, blocks * BLOCK)
  return path
}

let word = 0
const nextWord = () => `end-${++word}`

/** The first letter of the disk, as the guest sees it. `read` and `echo` are the shell's own: there is one process. */
async function letterIn(live: LiveUnikernel): Promise<string> {
  const end = nextWord()
  live.say(`read -n 1 x < /dev/vda; echo "<$x>" ${end}\n`)
  const said = await live.outputWith(new RegExp(`<.*> ${end}\n`))
  return new RegExp(`<(.*)> ${end}\n`).exec(said)![1]!
}

async function write(live: LiveUnikernel, letter: string): Promise<void> {
  const end = nextWord()
  live.say(`echo -n ${letter} 1<> /dev/vda; echo ${end}\n`)
  await live.outputWith(new RegExp(`${end}\n`))
}

const firstByte = (path: string) => String.fromCharCode(readFileSync(path)[0]!)

for (const [kind, disk] of Object.entries({
  'a disk': (path: string) => ({ path, readOnly: false }),
  'a disk that is thrown away (:cow)': (path: string) => ({ path, readOnly: false, copyOnWrite: true }),
  'a disk over a base': (path: string) => ({ path: `${path}.overlay`, base: path, readOnly: false }),
} satisfies Record<string, (path: string) => DiskSpec>)) {
  kvmTestSerial(`${kind} is in each copy as it was, and what one writes no other sees`, async (t) => {
    const path = image(t)
    const disks = [disk(path)]
    const original = await started(t, shell('original', disks))
    await write(original, 'b')
    const directory = await snapshotOf(t, original)
    await write(original, 'c')
    const copies = await Promise.all(['one', 'two'].map((name) => started(t, shell(name, disks, { from: directory }))))
    t.deepEqual(await Promise.all(copies.map(letterIn)), ['b', 'b'])
    await write(copies[0]!, 'd')
    t.deepEqual(await Promise.all([original, ...copies].map(letterIn)), ['c', 'd', 'b'])
    await Promise.all([original, ...copies].map((live) => live.close()))
    t.is(firstByte(path), kind === 'a disk' ? 'c' : 'a')
    // Copied once more, from the copy of the snapshot.
    const later = await started(t, shell('later', disks, { from: directory }))
    t.is(await letterIn(later), 'b')
    const again = await started(t, shell('again', disks, { from: await snapshotOf(t, later) }))
    t.is(await letterIn(again), 'b')
  })
}

kvmTestSerial(
  'a disk whose file was replaced while it was in use is saved as its guest sees it, or not at all',
  async (t) => {
    for (const readOnly of [false, true]) {
      const path = image(t)
      const original = await started(t, shell('original', [{ path, readOnly }]))
      t.is(await letterIn(original), 'a')
      writeFileSync(`${path}.new`, 'z'.repeat(64 * BLOCK))
      renameSync(`${path}.new`, path)
      if (readOnly) {
        await t.throwsAsync(snapshotOf(t, original), { instanceOf: HostError, message: /another file has its name/ })
      } else {
        const from = await snapshotOf(t, original)
        t.is(await letterIn(await started(t, shell('copy', [{ path, readOnly }], { from }))), 'a')
      }
      t.is(await letterIn(original), 'a')
    }
  },
)

kvmTestSerial('the copy of a disk takes no more room than what is in it', async (t) => {
  const path = image(t, 'x', 2 ** 18)
  const original = await started(t, shell('original', [{ path, readOnly: false }]))
  await write(original, 'y')
  const { blocks, size } = statSync(join(await snapshotOf(t, original), 'file.disk-0'))
  t.is(size, 2 ** 30)
  t.true(blocks * 512 <= 2 ** 20, `${blocks} blocks`)
})

kvmTestSerial('a read-only disk is not copied, and must be what it was', async (t) => {
  const path = image(t)
  const disks = [{ path, readOnly: true }]
  const original = await started(t, shell('original', disks))
  t.is(await letterIn(original), 'a')
  const directory = await snapshotOf(t, original)
  const copy = await started(t, shell('copy', disks, { from: directory }))
  t.is(await letterIn(copy), 'a')
  utimesSync(path, new Date(), new Date(0))
  const late = openUnikernel(t, shell('late', disks, { from: directory }))
  await t.throwsAsync(late.instance.start(), { instanceOf: HostError, message: /disk\.img: it has changed since/ })
  rmSync(path)
  await t.throwsAsync(openUnikernel(t, shell('later', disks, { from: directory })).instance.start(), {
    instanceOf: HostError,
    message: /disk\.img: there is no such file/,
  })
})

/** Slow enough that requests are always under way. */
const busyDisk = (path: string): DiskSpec => ({ path, readOnly: false, rate: { operationsPerSecond: 400 } })

/** As many as it lasts for: on a busy host that may be few, but one there is. */
async function severalOf(t: ExecutionContext, live: LiveUnikernel): Promise<string[]> {
  const taken = [await snapshotOf(t, live)]
  try {
    while (taken.length < 4) {
      await sleep(150)
      taken.push(await snapshotOf(t, live))
    }
  } catch (error) {
    if (!/has just ended/.test(String(error))) throw error
  }
  return taken
}

kvmTestSerial('no write that was under way is lost, and none is done again after a later one', async (t) => {
  const disks = [busyDisk(image(t))]
  const spec = (name: string, from?: string) =>
    shell(name, disks, {
      source: { kind: 'program', hostPath: SEQUENCE, path: SEQUENCE },
      program: SEQUENCE,
      argv: [SEQUENCE, '24'],
      interactive: false,
      ...(from && { from }),
    })
  const original = await started(t, spec('original'))
  await original.outputWith(/round 1\n/)
  const snapshots = await severalOf(t, original)
  const copies = await Promise.all(snapshots.map((from, at) => started(t, spec(`copy${at}`, from))))
  for (const live of [original, ...copies]) {
    t.like(await live.wait(), { exitCode: 0 }, live.output())
    await live.outputWith(/PASS disk-sequence/)
  }
})

kvmTestSerial('with 32 requests under way each ends once, in the original and in the copies', async (t) => {
  const disks = [busyDisk(image(t))]
  const argv = ['block-load', 'write', '4096', '32', '2000', 'read', '4096', '32', '1000']
  const spec = (name: string, from?: string) =>
    shell(name, disks, {
      kernel: guestPath('block-load'),
      argv,
      memoryBytes: 64 * 2 ** 20,
      interactive: false,
      ...(from && { from }),
    })
  const original = await started(t, spec('original'))
  await sleep(150)
  const snapshots = await severalOf(t, original)
  const copies = await Promise.all(snapshots.map((from, at) => started(t, spec(`copy${at}`, from))))
  for (const live of [original, ...copies]) {
    t.like(await live.wait(), { exitCode: 0 }, live.output())
    await live.outputWith(/PASS block-load/)
  }
})
