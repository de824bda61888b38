import { virtioVsock } from '../../src/devices/virtio-vsock.ts'
import { createFakeBackend } from '../helpers/vsock-backend.ts'
import { testVirtioDevice } from './virtio-device.ts'

testVirtioDevice('virtio-vsock', () => virtioVsock({ backend: createFakeBackend() }))
