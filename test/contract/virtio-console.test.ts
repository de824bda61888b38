import { createBufferSink, createBufferSource } from '../../src/backends/buffer-stream.ts'
import { virtioConsole } from '../../src/devices/virtio-console.ts'
import { testVirtioDevice } from './virtio-device.ts'

testVirtioDevice('virtio-console', () => {
  const source = createBufferSource()
  source.push(new Uint8Array(100))
  return virtioConsole({
    ports: [
      { name: 'stdio', isConsole: true, sink: createBufferSink({ capacity: 16 }), source },
      { name: 'stderr', isConsole: false, sink: createBufferSink() },
      { isConsole: false },
    ],
    size: { cols: 80, rows: 25 },
    emergencyWrite: true,
  })
})
