import { virtioBlk } from '../../src/devices/virtio-blk.ts'
import { createMemoryDisk } from '../helpers/memory-disk.ts'
import { testVirtioDevice } from './virtio-device.ts'

testVirtioDevice('virtio-blk', () => virtioBlk(createMemoryDisk({ sectors: 64 })))
testVirtioDevice('virtio-blk, read-only', () => virtioBlk(createMemoryDisk({ sectors: 64, readOnly: true })))
