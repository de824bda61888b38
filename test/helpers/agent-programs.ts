/** Programs for the agent to start in its tests: busybox of the host. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentProcess } from '../../src/agent/agent-process.ts'

export const busybox = (...argv: string[]): AgentProcess => ({
  program: '/bin/busybox',
  argv,
  env: ['PATH=/bin:/usr/bin'],
  cwd: '/',
  interactive: false,
})

export const shell = (script: string, more: Partial<AgentProcess> = {}): AgentProcess => ({
  ...busybox('sh', '-c', script),
  ...more,
})

export const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(5)
}
