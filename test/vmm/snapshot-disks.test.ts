/** What a snapshot says of disks is a word of anybody's: it gives nothing that was not asked for to be written. */
import { linkSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { HostError } from '../../src/errors.ts'
import type { DiskSpec } from '../../src/instance/run-spec.ts'
import type { Json } from '../../src/virtio/saved-state.ts'
import type { AttachedDisk } from '../../src/vmm/attach.ts'
import { inodeOf } from '../../src/vmm/disks.ts'
import { disksToRestore, disksToSave } from '../../src/vmm/snapshot-disks.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const noFile = (name: string): never => {
  throw new HostError(`no ${name}`)
}
const saved = (spec: DiskSpec): Json => disksToSave([{ spec, inode: inodeOf(spec.path) } as AttachedDisk]).saved

test('a disk that can be written is never the file of the original', (t) => {
  const path = join(temporaryDirectory(t), 'disk.img')
  writeFileSync(path, 'x'.repeat(512))
  const record = saved({ path, readOnly: true })
  t.deepEqual(disksToRestore([{ path, readOnly: true }], record, noFile).ownFiles, [])
  for (const spec of [
    { path, readOnly: false },
    { path, readOnly: false, copyOnWrite: true },
  ]) {
    t.throws(() => disksToRestore([spec], record, noFile), {
      instanceOf: HostError,
      message: /the snapshot does not say what they were/,
    })
  }
})

test('a read-only disk is the same by its size and its time of change, to the nanosecond', (t) => {
  const path = join(temporaryDirectory(t), 'disk.img')
  writeFileSync(path, 'x'.repeat(512))
  const record = saved({ path, readOnly: true })
  linkSync(path, `${path}.link`)
  t.notThrows(() => disksToRestore([{ path, readOnly: true }], record, noFile))
  const { mtimeMs } = statSync(path)
  utimesSync(path, new Date(), (Math.floor(mtimeMs) + 0.5) / 1000)
  t.throws(() => disksToRestore([{ path, readOnly: true }], record, noFile), { message: /it has changed since/ })
})

test('records that are none are refused', (t) => {
  for (const record of [null, [], [null], [{ file: 3 }], [{ bytes: -1 }], 'x', [{}, {}]] satisfies Json[]) {
    t.throws(() => disksToRestore([{ path: '/nowhere', readOnly: true }], record, noFile), { instanceOf: HostError })
  }
})
