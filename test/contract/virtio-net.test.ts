import { createNetWire } from '../../src/backends/net-wire.ts'
import { virtioNet } from '../../src/devices/virtio-net.ts'
import { testVirtioDevice } from './virtio-device.ts'

testVirtioDevice('virtio-net', () => {
  const [backend, far] = createNetWire().ends
  far.send(new Uint8Array(12), [new Uint8Array(40)], 0)
  return virtioNet({ backend, mac: Uint8Array.of(2, 0, 0, 0, 0, 1) })
})
