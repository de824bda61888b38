import { virtioBalloon } from '../../src/devices/virtio-balloon.ts'
import { testVirtioDevice } from './virtio-device.ts'

testVirtioDevice('virtio-balloon', () =>
  virtioBalloon({ memoryBytes: 2 ** 24, reclaimer: { release: () => 0, releaseView: () => 0 } }),
)
