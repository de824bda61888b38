import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { testVirtioDevice } from './virtio-device.ts'

testVirtioDevice('virtio-rng', () => virtioRng({ fill: (bytes) => bytes.fill(0x77) }))
