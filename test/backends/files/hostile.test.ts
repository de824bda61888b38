/**
 * A client that says anything at all, and a tree that changes under it: nothing outside the shared directory is ever seen
 * or touched, nothing is thrown, and nothing stays open. CLOISTER_FUZZ_CASES sets the number of cases.
 */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { call, frame, NAMES } from '../../helpers/p9-arbitrary.ts'
import { type Client, shareFixture } from '../../helpers/p9-client.ts'
import { message } from '../../helpers/p9-message.ts'

const CASES = Number(process.env.CLOISTER_FUZZ_CASES ?? 300)
const SECRET = 'not for guests'
const [ENOENT, EACCES, ENXIO, ENOTDIR, EINVAL, ENFILE, EMSGSIZE] = [2, 13, 6, 20, 22, 23, 90]

/** What every case has to leave alone, with ways to it laid inside. */
function layOut(directory: string): void {
  const outside = join(directory, '../outside')
  writeFileSync(join(outside, 'secret'), SECRET, { mode: 0o600 })
  fill(directory)
}

function fill(directory: string): void {
  mkdirSync(join(directory, 'dir'))
  writeFileSync(join(directory, 'file'), 'text')
  writeFileSync(join(directory, 'dir/file'), 'text')
  symlinkSync('../outside/secret', join(directory, 'escape'))
  symlinkSync('../outside', join(directory, 'up'))
  symlinkSync('loop', join(directory, 'loop'))
  symlinkSync('file', join(directory, 'link'))
  execFileSync('mkfifo', [join(directory, 'pipe')])
}

function untouched(directory: string): string | undefined {
  const outside = join(directory, '../outside')
  const names = readdirSync(outside)
  if (names.join() !== 'secret') return `outside there is ${names}`
  if (readdirSync(join(directory, '..')).sort().join() !== 'outside,shared') return 'something stands beside the share'
  if (readFileSync(join(outside, 'secret'), 'latin1') !== SECRET) return 'the secret was changed'
  return (statSync(join(outside, 'secret')).mode & 0o7777) === 0o600 ? undefined : 'the secret has another mode'
}

const openDescriptors = () => readdirSync('/proc/self/fd').length

const clear = (directory: string) => {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true, force: true })
}

const start = async (client: Client): Promise<void> => {
  client.driver.start({ features: 1n << 32n, size: 16 })
  await client.start()
}

for (const readOnly of [false, true]) {
  test.serial(
    `no message of a ${readOnly ? 'read-only' : 'writable'} share’s client reaches beyond it, fails inside or leaks`,
    async (t) => {
      const { client, directory, driver } = await shareFixture(t, { readOnly, fill: layOut })
      await start(client)
      const before = openDescriptors()
      let answered = 0
      let granted = 0
      await fc.assert(
        fc.asyncProperty(fc.array(call, { minLength: 5, maxLength: 40 }), async (calls) => {
          for (const { type, fields } of calls) {
            const reply = await client.ask(type, fields)
            answered++
            if (reply.errno === undefined) granted++
            else if (reply.errno === 5) throw new Error(`message ${type} failed inside`)
            if (Buffer.from(reply.bytes(reply.left)).includes(SECRET))
              throw new Error(`message ${type} told the secret`)
          }
          const damage = untouched(directory)
          if (damage) throw new Error(damage)
          if (readOnly && readFileSync(join(directory, 'file'), 'utf8') !== 'text') throw new Error('it was written')
          if (!readOnly) {
            clear(directory)
            fill(directory)
          }
          await start(client)
          // The root alone is in hand now.
          if (openDescriptors() > before) throw new Error(`${openDescriptors() - before} descriptors leak`)
        }),
        { numRuns: CASES },
      )
      t.true(granted > answered / 10, `only ${granted} of ${answered} requests were granted`)
      t.deepEqual(
        driver.log.filter((line) => line.includes('device failed')),
        [],
      )
    },
  )
}

test.serial(
  'frames cut short, drawn out and lying are the driver’s mistake or an error, and the device can be had again',
  async (t) => {
    const { client, driver, directory } = await shareFixture(t, { fill: layOut })
    let mistakes = 0
    let errors = 0
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 10 }), async (frames) => {
        await start(client)
        for (const bytes of frames) {
          const at = 0xc0000
          driver.memory.bytes(at, bytes.length).set(bytes)
          const queue = driver.queue(0)
          queue.post({ gpa: at, length: bytes.length }, { gpa: at + 0x2000, length: 200, write: true })
          driver.kick(0)
          driver.settle()
          for (const { length } of queue.takeUsed()) {
            if (length < 7 || length > 200) throw new Error(`an answer of ${length} bytes`)
            if (driver.memory.readU32(at + 0x2000) !== length)
              throw new Error('an answer that is not as long as it says')
            if (driver.memory.bytes(at + 0x2004, 1)[0] === 7) errors++
          }
          if (driver.needsReset) {
            mistakes++
            break
          }
        }
        const damage = untouched(directory)
        if (damage) throw new Error(damage)
        if (driver.guarded.strayWrites().length > 0) throw new Error('stray writes')
      }),
      { numRuns: CASES },
    )
    t.true(mistakes > CASES / 20, `only ${mistakes} mistakes`)
    t.true(errors > CASES / 20, `only ${errors} errors`)
  },
)

test.serial('names that lead upwards, have slashes or zeros, or are too long lead nowhere (class 28)', async (t) => {
  const { client } = await shareFixture(t, { fill: layOut })
  for (const name of NAMES.slice(8, 16)) {
    await t.throwsAsync(client.walk(0, 9, name), { message: `errno ${EINVAL}` }, String(name))
    const fields = () => message().u32(0).text(name)
    for (const [type, rest] of [
      [14, fields().u32(2).u32(0o644).u32(0)],
      [16, fields().text('x').u32(0)],
      [72, fields().u32(0o755).u32(0)],
      [74, fields().u32(0).text('y')],
      [74, message().u32(0).text('file').u32(0).text(name)],
      [76, fields().u32(0)],
    ] as const)
      t.is(await client.errno(type, rest), EINVAL, `message ${type}, ${JSON.stringify(name)}`)
  }
  await t.throwsAsync(client.walk(0, 9, 'x'.repeat(256)), { message: 'errno 36' })
  t.is(await client.errno(16, message().u32(0).text('s').text('y'.repeat(5000)).u32(0)), 36)
})

test.serial(
  'a symbolic link is only ever read: nothing walks through it, opens it or writes to where it leads',
  async (t) => {
    const { client, directory } = await shareFixture(t, { fill: layOut })
    await t.throwsAsync(
      client
        .walk(0, 9, 'up', 'secret')
        .then((qids) => (qids.length < 2 ? Promise.reject(new Error('errno 20')) : qids)),
      {
        message: `errno ${ENOTDIR}`,
      },
    )
    await client.walk(0, 1, 'up')
    await t.throwsAsync(client.walk(1, 2, 'secret'), { message: /errno (20|40)/ })
    t.is(await client.errno(14, message().u32(1).text('new').u32(2).u32(0o644).u32(0)), ENOTDIR)
    t.is(await client.errno(76, message().u32(1).text('secret').u32(0)), ENOTDIR)
    await client.walk(0, 3, 'escape')
    for (const flags of [0, 2, 0o1001]) await t.throwsAsync(client.open(3, flags), { message: 'errno 40' })
    await t.throwsAsync(client.setattr(3, 0x8, { size: 0n }), { message: `errno ${EINVAL}` })
    await t.throwsAsync(client.create(0, 'escape', { flags: 0o1102 }), { message: 'errno 40' })
    await t.throwsAsync(client.setattr(3, 0x1, { mode: 0o777 }), { message: /errno/ })
    await client.setattr(3, 0x30 | 0x180, { accessed: [1n, 0n], modified: [1n, 0n] })
    t.not(statSync(join(directory, '../outside/secret')).mtimeMs, 1000)
    t.is(untouched(directory), undefined)
  },
)

test.serial('a FIFO, a socket or a device of the host is seen and never opened', async (t) => {
  const { client, directory } = await shareFixture(t, { fill: layOut })
  await client.walk(0, 1, 'pipe')
  t.is((await client.getattr(1)).mode & 0o170000, 0o010000)
  for (const flags of [0, 1, 2]) await t.throwsAsync(client.open(1, flags), { message: `errno ${ENXIO}` })
  await t.throwsAsync(client.create(0, 'pipe', { flags: 2 }), { message: `errno ${ENXIO}` })
  await t.throwsAsync(client.setattr(1, 0x8, { size: 0n }), { message: `errno ${EINVAL}` })
  t.true(existsSync(join(directory, 'pipe')))
})

test.serial('a directory that the host moves away or swaps for a link leads no guest out', async (t) => {
  const { client, directory, outside } = await shareFixture(t, { fill: layOut })
  await client.walk(0, 1, 'dir')
  renameSync(join(directory, 'dir'), join(outside, 'moved'))
  symlinkSync(outside, join(directory, 'dir'))
  // It has what it had, and no way from there to its new neighbours.
  t.is((await client.walk(1, 2, 'file')).length, 1)
  await t.throwsAsync(client.walk(1, 3, '..'), { message: `errno ${EINVAL}` })
  await t.throwsAsync(client.walk(1, 3, '..', 'secret'), { message: `errno ${EINVAL}` })
  t.is((await client.walk(0, 4, 'dir', 'secret')).length, 1)
  t.is(await client.errno(24, message().u32(4).u64(0)), 9)
  // By the names it has now it would be reached through what is not shared.
  t.is(await client.errno(122, message().u32(2)), 116)
  t.true(existsSync(join(outside, 'moved/file')))
  renameSync(join(outside, 'moved'), join(directory, 'back'))
})

test.serial('a link swapped in for a directory again and again never lets a walk through', async (t) => {
  const { client, directory, outside } = await shareFixture(t, { fill: layOut })
  let through = 0
  for (let round = 0; round < 200; round++) {
    rmSync(join(directory, 'dir'), { recursive: true })
    if (round % 2 === 0) symlinkSync(outside, join(directory, 'dir'))
    else mkdirSync(join(directory, 'dir'))
    if ((await client.ask(110, message().u32(0).u32(5).u16(2).text('dir').text('secret'))).errno === undefined) {
      if ((await client.errno(120, message().u32(5))) === undefined) through++
    }
    const made = await client.ask(72, message().u32(0).text('dir').u32(0o755).u32(0))
    t.is(made.errno, 17)
  }
  t.is(through, 0)
  t.is(untouched(directory), undefined)
})

test.serial(
  'a link that a guest makes leads wherever it likes in the guest, and says so to the host as it is',
  async (t) => {
    const { client, directory } = await shareFixture(t, { fill: layOut })
    await client.ok(16, message().u32(0).text('own').text('/etc/shadow').u32(0))
    t.is(readlinkSync(join(directory, 'own')), '/etc/shadow')
    t.is((await client.walk(0, 1, 'own', 'x')).length, 1)
    await client.walk(0, 2, 'own')
    await t.throwsAsync(client.open(2, 0), { message: 'errno 40' })
  },
)

test.serial('the windows into the host’s kernel are not shared, wherever they are mounted', async (t) => {
  const { Share } = await import('../../../src/backends/files/share.ts')
  const { Refusal } = await import('../../../src/backends/files/refusal.ts')
  for (const path of ['/proc', '/proc/self', '/sys', '/sys/kernel']) {
    const error = t.throws(() => new Share({ path, readOnly: true }), { any: true })
    t.true(error instanceof Refusal && error.errno === EACCES, path)
  }
  const share = new Share({ path: '/', readOnly: true })
  try {
    const { cName } = await import('../../../kvm-bindings/file-tree.ts')
    const error = t.throws(() => share.enter(share.root, cName('proc'), true), { any: true })
    t.true(error instanceof Refusal && error.errno === EACCES)
  } finally {
    share.close()
  }
})

test.serial('a guest has so many files in hand and no more, and giving some up helps', async (t) => {
  const { client } = await shareFixture(t, { maxFids: 8, fill: layOut })
  const before = openDescriptors()
  for (let fid = 1; fid < 8; fid++) await client.walk(0, fid)
  t.is(openDescriptors(), before + 7)
  await t.throwsAsync(client.walk(0, 100), { message: `errno ${ENFILE}` })
  await t.throwsAsync(client.walk(0, 100, 'dir'), { message: `errno ${ENFILE}` })
  t.is(await client.errno(104, message().u32(9).u32(0xffffffff).text('').text('').u32(0)), ENFILE)
  t.is(openDescriptors(), before + 7)
  await client.clunk(3)
  // Nothing on the way to it stays open.
  await client.walk(0, 100, 'dir', 'file')
  t.is(openDescriptors(), before + 7)
  await client.clunk(100)
  await client.walk(0, 100, 'file')
  await client.open(100, 0)
  t.is(openDescriptors(), before + 7)
})

test.serial('an answer for which the client leaves no room is an error, not a longer write', async (t) => {
  const { client } = await shareFixture(t, { fill: layOut })
  await client.walk(0, 1, 'file')
  const reply = await client.ask(24, message().u32(1).u64(0), { room: 100 })
  t.is(reply.errno, EMSGSIZE)
  await client.open(1, 0)
  const short = await client.ok(116, message().u32(1).u64(0).u32(4), { room: 13 })
  t.is(short.u32(), 2, 'a read gives what there is room for')
  t.is(await client.errno(118, message().u32(1).u64(0).u32(1000).bytes(new Uint8Array(10))), EINVAL)
  await t.throwsAsync(client.walk(0, 5, 'none'), { message: `errno ${ENOENT}` })
})
