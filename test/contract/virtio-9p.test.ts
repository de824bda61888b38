import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createPoolFiles } from '../../src/backends/disk/pool-files.ts'
import { virtio9p } from '../../src/devices/virtio-9p.ts'
import { openServer } from '../helpers/p9-client.ts'
import { testVirtioDevice } from './virtio-device.ts'

const directory = mkdtempSync(join(tmpdir(), 'cloister-share-'))
writeFileSync(join(directory, 'file'), 'text')
test.after.always(() => rmSync(directory, { recursive: true }))

testVirtioDevice('virtio-9p', () => virtio9p({ tag: 'share', server: openServer(directory, createPoolFiles()) }))
