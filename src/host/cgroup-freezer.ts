/**
 * Stops all processes of a control group at once, without a signal that they could see, and lets them go on.
 * cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HostError } from '../errors.ts'
import type { CgroupMount } from './cgroup-layout.ts'

/** A process inside a system call that cannot be interrupted, on a dead disk say, does not freeze. */
const PATIENCE_MS = 5000
const LOOK_INTERVAL_MS = 1
/** In v1 a group that forks while it freezes may stay half frozen: letting it go for a moment helps. */
const LOOKS_BEFORE_ANEW = 50

export interface Freezer {
  /** Whether this host has one for this group. */
  isThere(): boolean
  isFrozen(): boolean
  /**
   * Resolves when everything stands still, or when it was thawed meanwhile.
   * @throws HostError when the host will not or cannot; the group then runs.
   */
  freeze(): Promise<void>
  /** Also for a group that is just being frozen, that never was, or that is gone. */
  thaw(): void
}

interface FreezerFiles {
  readonly control: string
  readonly on: string
  readonly off: string
  readonly state: string
  readonly frozen: RegExp
}

const filesIn = ({ mountPoint, version }: CgroupMount, path: string): FreezerFiles => {
  const at = (file: string) => join(mountPoint, path, file)
  return version === 1
    ? { control: at('freezer.state'), on: 'FROZEN', off: 'THAWED', state: at('freezer.state'), frozen: /^FROZEN$/m }
    : { control: at('cgroup.freeze'), on: '1', off: '0', state: at('cgroup.events'), frozen: /^frozen 1$/m }
}

export function freezerOf(mount: CgroupMount | undefined, path: string): Freezer {
  const files = mount && filesIn(mount, path)
  /** How often it was thawed: a freeze that was overtaken must not go on. */
  let thaws = 0
  const state = (): string => {
    try {
      return files ? readFileSync(files.state, 'utf8') : ''
    } catch {
      return ''
    }
  }
  const isFrozen = () => files?.frozen.test(state()) === true
  const write = (value: string) => files && writeFileSync(files.control, value)
  const thaw = () => {
    thaws++
    try {
      write(files?.off ?? '')
    } catch {
      // Gone, or not ours: nothing of ours is frozen there.
    }
  }
  return {
    isThere: () => state() !== '',
    isFrozen,
    thaw,
    async freeze() {
      const begun = thaws
      const deadline = performance.now() + PATIENCE_MS
      for (let looks = 1; thaws === begun && !isFrozen(); looks++) {
        try {
          if (!files) throw new Error('this host has no freezer')
          if (looks === 1) write(files.on)
          else if (mount?.version === 1 && looks % LOOKS_BEFORE_ANEW === 0) {
            write(files.off)
            write(files.on)
          }
        } catch (cause) {
          throw new HostError(`Cannot freeze the control group ${path}: ${(cause as Error).message}.`, { cause })
        }
        if (performance.now() > deadline) {
          thaw()
          throw new HostError(`Cannot freeze the control group ${path}: a process in it does not stand still.`, {
            hint: 'A process that waits for a disk or a network file system cannot be stopped; try again later.',
          })
        }
        if (!isFrozen()) await delay(LOOK_INTERVAL_MS)
      }
    },
  }
}
