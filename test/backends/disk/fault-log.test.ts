import test from 'ava'
import { logFaults } from '../../../src/backends/disk/fault-log.ts'
import { createMemoryDisk } from '../../helpers/memory-disk.ts'

test('the owner of a disk hears why a request of the guest failed, and how often that is told is bounded', (t) => {
  const lines: string[] = []
  const memory = createMemoryDisk({})
  const disk = logFaults(memory, '/images/disk', (line) => lines.push(line))
  disk.flush((errno) => t.is(errno, 0))
  t.deepEqual(lines, [])
  memory.failWith = 125
  disk.read(0, [new Uint8Array(512)], 0, 512, (errno) => t.is(errno, 125))
  t.deepEqual(lines, [], 'called off by the guest itself')
  memory.failWith = 28
  disk.write(0, [new Uint8Array(512)], 0, 512, (errno) => t.is(errno, 28))
  t.deepEqual(lines, ['disk /images/disk: a write failed: the disk is full.'])
  memory.failWith = 5
  for (let request = 0; request < 100; request++) disk.read(0, [new Uint8Array(512)], 0, 512, () => {})
  t.is(lines.length, 8)
  t.is(lines[1], 'disk /images/disk: a read failed: the host gave EIO.')
  t.true(lines[7]?.endsWith('Further ones are not logged.'))
})

test('a disk that cannot keep what was written last says so, and is closed all the same', (t) => {
  const lines: string[] = []
  const close = () => {
    throw Object.assign(new Error('write'), { code: 'ENOSPC' })
  }
  logFaults({ ...createMemoryDisk({}), close }, '/images/disk', (line) => lines.push(line)).close()
  t.deepEqual(lines, ['disk /images/disk: what was written last may be lost: the disk is full.'])
})
