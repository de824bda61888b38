/** Memory as it is written to files: in steps, each of which may be the last. */
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { MIB } from '../../src/memory/memory-map.ts'
import { digestFile } from '../../src/snapshot/chunk-digests.ts'
import { writeAll } from '../../src/snapshot/write-memory.ts'

test('zeros that had to be read are a step like any other: the work can be called off, and others come in between', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-write-'))
  writeFileSync(join(directory, 'memory'), Buffer.alloc(3 * MIB))
  const from = openSync(join(directory, 'memory'), 'r')
  const to = openSync(join(directory, 'copy'), 'w')
  try {
    let steps = 0
    let others = 0
    setImmediate(() => others++)
    const image = { size: 3 * MIB, pieces: [{ offset: 0, length: 3 * MIB, fd: from, at: 0 }] }
    const { digests, bytes } = await writeAll(to, image, () => void steps++)
    t.is(steps, 3)
    t.is(others, 1)
    t.is(bytes, 0)
    t.true([0, 1, 2].every((index) => digests.isZero(index)))
    t.like(statSync(join(directory, 'copy')), { size: 3 * MIB, blocks: 0 })
  } finally {
    for (const fd of [from, to]) closeSync(fd)
    rmSync(directory, { recursive: true })
  }
})

test('a large file that is read for its digests can be left too: whoever calls the work off does not wait for its end', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-digest-'))
  writeFileSync(join(directory, 'image'), Buffer.alloc(5 * MIB, 'image'))
  const fd = openSync(join(directory, 'image'), 'r')
  try {
    let steps = 0
    const step = () => {
      if (++steps === 3) throw new Error('called off')
    }
    await t.throwsAsync(digestFile(fd, 5 * MIB, step), { message: 'called off' })
    t.is(steps, 3)
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
})
