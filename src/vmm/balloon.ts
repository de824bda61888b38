/** A memory balloon for a guest with a driver for it: `cloister update --memory`. */
import { createReclaimer } from '../backends/memory-reclaimer.ts'
import { virtioBalloon } from '../devices/virtio-balloon.ts'
import type { Attached } from './attach.ts'

export function attachBalloon(memoryBytes: number): Attached {
  const reclaimer = createReclaimer()
  const balloon = virtioBalloon({ memoryBytes, reclaimer })
  return {
    devices: [balloon],
    commandLine: '',
    threads: 0,
    describe: () => ({}),
    close: () => {},
    onRam: (ram) => reclaimer.bind(ram),
    balloon,
  }
}
