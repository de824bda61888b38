/**
 * All vCPUs of a machine as one: they start, stand still and end together. One that ends, by itself or because it was
 * asked to, keeps nobody waiting.
 */
import type { VcpuRunner } from './vcpu-runner.ts'

export interface VcpuGroup extends VcpuRunner {
  /** Whether all stand still, and did not end. */
  readonly paused: boolean
}

export function createVcpuGroup(runners: readonly VcpuRunner[]): VcpuGroup {
  let started = false
  let paused = false
  let stopped: Promise<void> | undefined

  return {
    get paused() {
      return paused
    },
    start() {
      if (stopped) return
      started = true
      for (const runner of runners) runner.start()
    },
    async pause() {
      await Promise.all(runners.map((runner) => runner.pause()))
      paused = started && !stopped
    },
    /** Before the last of them stands still this is no resume: some would run on and some not. */
    resume() {
      if (!paused) return
      paused = false
      for (const runner of runners) runner.resume()
    },
    stop() {
      paused = false
      stopped ??= Promise.all(runners.map((runner) => runner.stop())).then(() => {})
      return stopped
    },
  }
}
