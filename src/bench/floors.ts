/** What no isolation can be quicker than: the program on the host itself, and the runtime that our command runs on. */
import { probePath } from '../paths.ts'
import type { Contender } from './contender.ts'
import type { Scratch } from './scratch.ts'

export const hostFloor = (scratch: Scratch): Contender => ({
  name: 'host',
  kind: 'floor',
  what: 'the program by itself on the host: fork and exec',
  success: 0,
  runsProbe: true,
  prepare: (args) => () => ({ file: probePath, args, env: scratch.env }),
})

export const nodeFloor = (scratch: Scratch): Contender => ({
  name: 'node',
  kind: 'floor',
  what: `node -e 0, the runtime that our command runs on (${process.version})`,
  success: 0,
  runsProbe: false,
  prepare: () => () => ({ file: process.execPath, args: ['-e', '0'], env: scratch.env }),
})
