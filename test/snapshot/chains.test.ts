/** Memory that is written, given back, saved in full or as a diff and gone on from, in any order: what is opened is what was. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import fc from 'fast-check'
import { HostError, UsageError } from '../../src/errors.ts'
import { readImage } from '../../src/memory/memory-image.ts'
import { MIB, PAGE_SIZE } from '../../src/memory/memory-map.ts'
import { allocateRam, type Ram } from '../../src/memory/ram.ts'
import { removeSnapshot } from '../../src/snapshot/list.ts'
import { LIMITS } from '../../src/snapshot/manifest.ts'
import { type OpenSnapshot, openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import { type SnapshotRequest, takeSnapshot } from '../../src/snapshot/take-snapshot.ts'
import { kvmTest } from '../helpers/kvm.ts'

const BYTES = 3 * MIB + 5 * PAGE_SIZE
const PAGES = BYTES / PAGE_SIZE
const PATIENCE_MS = 180_000

const shape = { memoryBytes: BYTES, cpus: 1, acpi: false, pit: false, devices: [] }
const policy = { schema: 'cloister-cpu-policy/1', cpus: 1, cpuid: [], apicId: [], msrs: [], changes: [] }
const state = { schema: 'cloister-machine-state/1', policy, kvm: {}, devices: [], ports: {} }

const pages = fc.record({
  first: fc.nat(PAGES - 1),
  count: fc.oneof(fc.constantFrom(1, 2, 16, 300), fc.integer({ min: 1, max: 600 })),
})
type Action =
  | { readonly kind: 'write'; readonly pages: { first: number; count: number }; readonly byte: number }
  | { readonly kind: 'discard'; readonly pages: { first: number; count: number }; readonly contents: 'zeros' | 'any' }
  | { readonly kind: 'save'; readonly diff: boolean }
  | { readonly kind: 'goOn' }
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('write' as const), pages, byte: fc.constantFrom(0, 1, 0xff) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('discard' as const),
      pages,
      contents: fc.constantFrom('zeros' as const, 'any' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('save' as const), diff: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('goOn' as const) }) },
)

/** What goes on while the snapshot is written: the guest overwrites what it likes. */
function machineOf(ram: Ram) {
  let paused = false
  return {
    pause: async () => {
      paused = true
    },
    resume() {
      paused = false
      const bytes = ram.memory.bytes(0, BYTES)
      for (let at = 0; at < BYTES; at += 7 * PAGE_SIZE) bytes[at] = (bytes[at]! + 1) & 0xff
    },
    isPaused: () => paused,
    save: async () => state,
  }
}

/** A machine that is nothing but memory. */
const take = (ram: Ram, directory: string, more: Partial<SnapshotRequest> = {}) =>
  takeSnapshot({ machine: machineOf(ram), ram }, { directory, level: 'bare', spec: null, machine: shape, ...more })

function scratch(t: ExecutionContext): { parent: string; ram: Ram } {
  const parent = mkdtempSync(join(tmpdir(), 'cloister-chains-'))
  const ram = allocateRam(BYTES)
  t.teardown(() => {
    ram.close()
    rmSync(parent, { recursive: true, force: true })
  })
  return { parent, ram }
}

kvmTest('no diff is taken that would be on top of too many to be opened', async (t) => {
  const { parent, ram } = scratch(t)
  let base: OpenSnapshot | undefined
  for (let depth = 1; depth <= LIMITS.depth; depth++) {
    await take(ram, join(parent, `s${depth}`), base && { base })
    base?.close()
    base = await openSnapshot(join(parent, `s${depth}`))
    t.is(base.depth, depth)
  }
  await t.throwsAsync(take(ram, join(parent, 'more'), base && { base }), {
    instanceOf: UsageError,
    message: /more as a diff to s16: that is one of 16 on top of each other already/,
  })
  base?.close()
  t.is(readdirSync(parent).length, LIMITS.depth)
})

kvmTest('a diff whose base is removed while it is written is not kept', async (t) => {
  const { parent, ram } = scratch(t)
  await take(ram, join(parent, 'base'))
  const base = await openSnapshot(join(parent, 'base'))
  const onContinued = () => removeSnapshot(join(parent, 'base'))
  await t.throwsAsync(take(ram, join(parent, 'diff'), { base, onContinued }), {
    instanceOf: HostError,
    message: /its base base was removed meanwhile/,
  })
  base.close()
  t.deepEqual(readdirSync(parent), [])
})

kvmTest('what a program was given may be long, and too long for a snapshot only for its user to mend', async (t) => {
  const { parent, ram } = scratch(t)
  const env = Array.from({ length: 4096 }, (_, index) => `A${index}=${'x'.repeat(500)}`)
  await take(ram, join(parent, 'long'), { spec: { env } })
  const opened = await openSnapshot(join(parent, 'long'))
  t.deepEqual(opened.spec, { env })
  opened.close()
  await t.throwsAsync(take(ram, join(parent, 'too-long'), { spec: { env: ['x'.repeat(5 * MIB)] } }), {
    instanceOf: UsageError,
    message: /too long/,
  })
  t.deepEqual(readdirSync(parent), ['long'])
})

kvmTest('snapshots of snapshots, full and as diffs, hold what memory held when each was taken', async (t) => {
  t.timeout(PATIENCE_MS)
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 14 }), async (actions) => {
      const parent = mkdtempSync(join(tmpdir(), 'cloister-chains-'))
      let ram = allocateRam(BYTES)
      const opened: { snapshot: OpenSnapshot; held: Buffer }[] = []
      try {
        for (const one of actions) {
          const last = opened.at(-1)
          if (one.kind === 'write') {
            const at = one.pages.first * PAGE_SIZE
            ram.memory.bytes(at, Math.min(one.pages.count * PAGE_SIZE, BYTES - at)).fill(one.byte)
          } else if (one.kind === 'discard') {
            const at = one.pages.first * PAGE_SIZE
            const length = Math.min(one.pages.count * PAGE_SIZE, BYTES - at)
            const whole = ram.discard(ram.regions[0]!, at, length, one.contents) === length
            const zeros = ram.memory.bytes(at, length).every((byte) => byte === 0)
            if (whole && one.contents === 'zeros' && !zeros) throw new Error('what was given back is not zeros')
          } else if (one.kind === 'save') {
            const held = Buffer.from(ram.memory.bytes(0, BYTES))
            const directory = join(parent, `s${opened.length}`)
            const base = one.diff && last ? { base: last.snapshot } : {}
            await take(ram, directory, base)
            // Every byte is looked at.
            rmSync(join(directory, 'checked.json'))
            opened.push({ snapshot: await openSnapshot(directory), held })
          } else if (last) {
            ram.close()
            ram = allocateRam(BYTES, last.snapshot.memory)
            if (!last.held.equals(ram.memory.bytes(0, BYTES))) throw new Error('gone on from something else')
          }
        }
        for (const { snapshot, held } of opened) {
          const read = Buffer.alloc(BYTES)
          readImage(snapshot.memory, 0, read)
          if (!read.equals(held)) throw new Error('a snapshot has changed')
        }
      } finally {
        ram.close()
        for (const { snapshot } of opened) snapshot.close()
        rmSync(parent, { recursive: true, force: true })
      }
    }),
    { numRuns: 25 },
  )
  t.pass()
})
