/**
 * Snapshots that somebody altered (class 32): a byte, a length, a field, with and without new digests. Each is refused in
 * one sentence or, where it does no harm, gone on from; nothing else ever happens.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import fc from 'fast-check'
import { virtioBalloon } from '../../src/devices/virtio-balloon.ts'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { HostError } from '../../src/errors.ts'
import { MIB } from '../../src/memory/memory-map.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'
import type { Json } from '../../src/virtio/saved-state.ts'
import { altered, choices, hostileValue, how } from '../helpers/hostile-json.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { bootStorm, restoreStorm } from '../helpers/storm.ts'
import { openFds } from '../kvm-bindings/real-mode-guest.ts'

/** Little, since every case makes a copy of it. */
const MEMORY = 4 * MIB

/** On a machine with other work. */
const PATIENCE_MS = 180_000

const devices = () => [
  virtioRng({ fill: (bytes) => bytes.fill(0) }),
  virtioBalloon({ memoryBytes: MEMORY, reclaimer: { release: () => 0, releaseView: () => 0 } }),
]

/** A base and a diff to it, made once. */
let made: string | undefined

async function originals(t: ExecutionContext): Promise<string> {
  if (made) return made
  const parent = mkdtempSync(join(tmpdir(), 'cloister-hostile-'))
  process.once('exit', () => rmSync(parent, { recursive: true, force: true }))
  const { machine, take, moved } = await bootStorm({ devices: devices(), memoryBytes: MEMORY })
  try {
    machine.start()
    await moved()
    const disk = { name: 'disk', write: (path: string) => writeFileSync(path, 'a small disk') }
    await take(join(parent, 'base'), { files: [disk], spec: { program: 'x' } })
    const base = await openSnapshot(join(parent, 'base'))
    await take(join(parent, 'diff'), { base })
    base.close()
  } finally {
    await machine.close()
  }
  t.log(`made ${readdirSync(parent).join(', ')}`)
  made = parent
  return parent
}

/** A copy to alter. */
async function withCopy<T>(t: ExecutionContext, run: (parent: string) => Promise<T>): Promise<T> {
  const parent = mkdtempSync(join(tmpdir(), 'cloister-altered-'))
  try {
    for (const name of ['base', 'diff']) {
      cpSync(join(await originals(t), name), join(parent, name), { recursive: true })
      chmodSync(join(parent, name, 'memory'), 0o600)
    }
    return await run(parent)
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
}

/** Opens it and goes on from it for a moment. @returns why not */
async function attempt(directory: string): Promise<string | undefined> {
  try {
    const snapshot = await openSnapshot(directory)
    try {
      const { machine } = await restoreStorm(snapshot, { devices: devices() })
      machine.start()
      await sleep(1)
      await machine.close()
    } finally {
      snapshot.close()
    }
    return undefined
  } catch (error) {
    if (!(error instanceof HostError)) throw error
    return error.message
  }
}

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')

/** Makes the digests fit what is there, as somebody would who writes snapshots of his own. */
function seal(directory: string): void {
  const file = join(directory, 'snapshot.json')
  let text = readFileSync(file, 'utf8')
  try {
    const manifest = JSON.parse(text)
    const state = readFileSync(join(directory, 'state.json'))
    manifest.state = { bytes: state.length, sha256: sha256(state) }
    manifest.memory.sha256 = sha256(readFileSync(join(directory, 'memory.sha256')))
    text = JSON.stringify(manifest)
    writeFileSync(file, text)
  } catch {
    // No manifest any more: it is sealed as it is.
  }
  writeFileSync(join(directory, 'snapshot.sha256'), `${sha256(text)}  snapshot.json\n`)
}

kvmTestSerial('a byte that is flipped in any file is found, or was of no use', async (t) => {
  t.timeout(PATIENCE_MS)
  const parent = await originals(t)
  const fds = openFds()
  const files = ['base', 'diff'].flatMap((name) =>
    readdirSync(join(parent, name)).map((file) => ({ name, file, bytes: statSync(join(parent, name, file)).size })),
  )
  t.true(files.length > 10)
  let refused = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files.filter(({ bytes }) => bytes > 0)),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async ({ name, file, bytes }, at, flip) => {
        await withCopy(t, async (copy) => {
          const path = join(copy, name, file)
          const contents = readFileSync(path)
          contents[at % bytes]! ^= flip
          writeFileSync(path, contents)
          const reason = await attempt(join(copy, 'diff'))
          if (reason !== undefined) refused++
          // What this host noted itself is looked at again; zeros of the memory are not read.
          const harmless = file === 'checked.json' || (file === 'memory' && name === 'base') || /sha256$/.test(file)
          if (reason === undefined && !harmless) throw new Error(`byte ${at % bytes} of ${name}/${file} was not missed`)
        })
      },
    ),
    { numRuns: 60 },
  )
  t.true(refused > 10)
  t.is(openFds(), fds)
})

kvmTestSerial('a file that is cut off, lengthened or missing is refused', async (t) => {
  const parent = await originals(t)
  for (const name of ['base', 'diff']) {
    for (const file of readdirSync(join(parent, name))) {
      if (file === 'checked.json') continue
      for (const change of ['empty', 'shorter', 'longer', 'missing'] as const) {
        await withCopy(t, async (copy) => {
          const path = join(copy, name, file)
          const { size } = statSync(path)
          if (change === 'missing') rmSync(path)
          else truncateSync(path, { empty: 0, shorter: Math.max(0, size - 1), longer: size + 1 }[change])
          const reason = await attempt(join(copy, 'diff'))
          // The line's end of a digest is no part of it.
          if (file === 'snapshot.sha256' && change !== 'missing' && change !== 'empty') return
          t.regex(reason ?? 'taken', /^Cannot use the snapshot/, `${change} ${name}/${file}`)
        })
      }
    }
  }
})

for (const file of ['snapshot.json', 'state.json'] as const) {
  kvmTestSerial(
    `a field of ${file} that is replaced, left out or added is refused, sealed anew it does no harm`,
    async (t) => {
      const parent = await originals(t)
      const fds = openFds()
      const original = JSON.parse(readFileSync(join(parent, 'base', file), 'utf8')) as Json
      let refused = 0
      await fc.assert(
        fc.asyncProperty(choices, hostileValue, how, fc.boolean(), async (path, value, change, sealed) => {
          await withCopy(t, async (copy) => {
            const text = JSON.stringify(altered(original, path, value, change))
            if (text === JSON.stringify(original)) return
            writeFileSync(join(copy, 'base', file), text)
            if (sealed) seal(join(copy, 'base'))
            const reason = await attempt(join(copy, 'base'))
            if (reason !== undefined) refused++
            if (reason === undefined && !sealed) throw new Error('an altered file was not missed')
          })
        }),
        { numRuns: 70 },
      )
      t.true(refused > 30)
      t.is(openFds(), fds)
    },
  )
}

kvmTestSerial('any bytes at all in the place of a file are refused, sealed or not', async (t) => {
  const names = ['snapshot.json', 'state.json', 'memory.sha256', 'memory.extents', 'snapshot.sha256']
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.uint8Array({ maxLength: 200 }),
      fc.boolean(),
      async (file, bytes, sealed) => {
        await withCopy(t, async (copy) => {
          writeFileSync(join(copy, 'diff', file), bytes)
          if (sealed && file !== 'snapshot.sha256') seal(join(copy, 'diff'))
          if ((await attempt(join(copy, 'diff'))) === undefined) throw new Error('taken')
        })
      },
    ),
    { numRuns: 40 },
  )
  t.pass()
})

kvmTestSerial('pages of a diff that overlap, lie outside or do not add up are refused', async (t) => {
  const pairs = (...numbers: number[]) => Buffer.from(Uint32Array.from(numbers).buffer)
  const pages = statSync(join(await originals(t), 'diff', 'memory')).size / 4096
  const last = MEMORY / 4096
  const cases = [
    pairs(0, pages, 0, pages),
    pairs(last, pages),
    pairs(last - 1, pages + 1),
    pairs(0, 0, 0, pages),
    pairs(0, pages - 1),
    pairs(5, 1, 4, pages - 1),
    pairs(0, 2 ** 32 - 1),
    Buffer.alloc(7),
  ]
  for (const extents of cases) {
    await withCopy(t, async (copy) => {
      const directory = join(copy, 'diff')
      writeFileSync(join(directory, 'memory.extents'), extents)
      const manifest = JSON.parse(readFileSync(join(directory, 'snapshot.json'), 'utf8'))
      manifest.memory.extents = { bytes: extents.length, sha256: sha256(extents) }
      writeFileSync(join(directory, 'snapshot.json'), JSON.stringify(manifest))
      seal(directory)
      t.regex((await attempt(directory)) ?? 'taken', /its list of pages is none/)
    })
  }
})

kvmTestSerial('links, directories and FIFOs in the place of files are refused at once', async (t) => {
  for (const file of ['snapshot.json', 'state.json', 'memory', 'memory.sha256', 'file.disk']) {
    await withCopy(t, async (copy) => {
      const path = join(copy, 'base', file)
      const outside = join(copy, 'outside')
      renameSync(path, outside)
      symlinkSync(outside, path)
      t.regex((await attempt(join(copy, 'base'))) ?? 'taken', new RegExp(file.replace('.', '\\.')))
      rmSync(path)
      mkdirSync(path)
      t.regex((await attempt(join(copy, 'base'))) ?? 'taken', /not a regular file/)
      rmSync(path, { recursive: true })
      execFileSync('mkfifo', [path])
      t.regex((await attempt(join(copy, 'base'))) ?? 'taken', /not a regular file/)
    })
  }
})

kvmTestSerial('a file that claims to be larger than any can be is refused, and not looked through', async (t) => {
  const parent = await originals(t)
  // Where files may be of any size.
  const roomy = mkdtempSync('/dev/shm/cloister-hostile-')
  t.teardown(() => rmSync(roomy, { recursive: true, force: true }))
  const directory = join(roomy, 'base')
  cpSync(join(parent, 'base'), directory, { recursive: true })
  const manifest = JSON.parse(readFileSync(join(directory, 'snapshot.json'), 'utf8'))
  manifest.files[0].bytes = 2 ** 52
  writeFileSync(join(directory, 'snapshot.json'), JSON.stringify(manifest))
  truncateSync(join(directory, 'file.disk'), 2 ** 52)
  seal(directory)
  t.regex((await attempt(directory)) ?? 'taken', /its files is not what it should be/)
})

kvmTestSerial('what was checked is not read again, until the file is another one', async (t) => {
  await withCopy(t, async (copy) => {
    const directory = join(copy, 'base')
    const memory = join(directory, 'memory')
    t.is(await attempt(directory), undefined)
    const record = readFileSync(join(directory, 'checked.json'), 'utf8')
    t.is(await attempt(directory), undefined)
    t.is(readFileSync(join(directory, 'checked.json'), 'utf8'), record)
    // Altered, and its time of modification put back.
    const { atime, mtime } = statSync(memory)
    const contents = readFileSync(memory)
    const at = contents.findIndex((byte) => byte !== 0)
    contents[at]! ^= 1
    writeFileSync(memory, contents)
    utimesSync(memory, atime, mtime)
    t.regex((await attempt(directory)) ?? 'taken', /its memory is not what was written/)
    // A record that anybody could have written counts for nothing.
    writeFileSync(join(directory, 'checked.json'), record, { mode: 0o644 })
    t.regex((await attempt(directory)) ?? 'taken', /its memory is not what was written/)
    contents[at]! ^= 1
    writeFileSync(memory, contents)
    const snapshot = await openSnapshot(directory)
    snapshot.close()
  })
})

kvmTestSerial("another snapshot's record says nothing about this one", async (t) => {
  await withCopy(t, async (copy) => {
    t.is(await attempt(join(copy, 'base')), undefined)
    const memory = join(copy, 'diff', 'memory')
    const contents = readFileSync(memory)
    contents[0]! ^= 1
    writeFileSync(memory, contents)
    rmSync(join(copy, 'diff', 'checked.json'), { force: true })
    linkSync(join(copy, 'base', 'checked.json'), join(copy, 'diff', 'checked.json'))
    t.regex((await attempt(join(copy, 'diff'))) ?? 'taken', /its memory is not what was written/)
  })
})

kvmTestSerial('one of another version, level, processor or KVM is refused with the reason', async (t) => {
  type Manifest = {
    schema: string
    level: string
    host: { backend: string; hardware: boolean; cpu: { vendor: string; flags: string[] } }
  }
  const cases: [(manifest: Manifest) => void, RegExp][] = [
    [
      // Its microVMs have a root image that nothing tells the digest of.
      (manifest) => (manifest.schema = 'cloister-snapshot/1'),
      /is of version cloister-snapshot\/1, and this Cloister reads cloister-snapshot\/2/,
    ],
    [(manifest) => (manifest.schema = 'cloister-snapshot/3'), /is of version cloister-snapshot\/3/],
    [(manifest) => (manifest.level = 'microvm'), /is one of a microvm, not of a bare/],
    [
      ({ host }) => Object.assign(host, { hardware: !host.hardware, backend: 'kvm_other' }),
      /on this host: it was taken on a (hardware|software) KVM/,
    ],
    [({ host }) => (host.cpu.vendor = 'CyrixInstead'), /processor of CyrixInstead/],
  ]
  for (const [change, message] of cases) {
    await withCopy(t, async (copy) => {
      const directory = join(copy, 'base')
      const file = join(directory, 'snapshot.json')
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest
      change(manifest)
      writeFileSync(file, JSON.stringify(manifest))
      seal(directory)
      const error = await t.throwsAsync(openSnapshot(directory, { level: 'bare' }), { instanceOf: HostError, message })
      t.truthy((error as HostError).hint)
    })
  }
})
