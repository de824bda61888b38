/** What containers stand on: a runtime, control groups, the overlay file system. */
import { readFileSync } from 'node:fs'
import { askVersion, findRuntimes } from '../container/runtime.ts'
import { readCgroupLayout } from '../host/cgroup-layout.ts'
import { type Check, fail, pass, warn } from './check.ts'

const privilege: Check = {
  id: 'container-privilege',
  title: 'Container privilege',
  run() {
    const uid = process.geteuid?.() ?? 0
    if (uid === 0) return pass('root')
    return fail(
      `user ${uid}, and containers need root for now`,
      'Run Cloister as root, or stay with --isolation unikernel.',
    )
  },
}

const runtime: Check = {
  id: 'container-runtime',
  title: 'Container runtime',
  run() {
    const answers = findRuntimes(readCgroupLayout()).map(({ name, path }) => {
      const version = askVersion({ path })
      return { name, path, version, works: version !== undefined }
    })
    const working = answers.filter(({ works }) => works)
    const facts = { runtimes: answers.map(({ path }) => path) }
    if (working.length > 0) return pass(working.map(({ name, version }) => `${name} ${version}`).join(', then '), facts)
    const broken = answers.map(({ path }) => path).join(' and ')
    return fail(broken ? `${broken} does not run` : 'neither crun nor runc is installed', 'apt-get install runc', facts)
  },
}

const cgroups: Check = {
  id: 'cgroups',
  title: 'Control groups',
  run() {
    const layout = readCgroupLayout()
    const controllers = [...new Set(layout.mounts.flatMap((mount) => mount.controllers))]
    const facts = { layout: layout.kind, controllers }
    if (layout.kind === 'none') return fail('not mounted', 'Mount them: mount -t cgroup2 none /sys/fs/cgroup', facts)
    const words = { v1: 'version 1', v2: 'version 2', hybrid: 'hybrid: version 1 with an empty version 2 tree' }
    if (layout.kind !== 'v2') {
      const missing = ['memory', 'cpu', 'pids'].filter((name) => !controllers.includes(name))
      if (missing.length > 0) {
        return warn(
          `${words[layout.kind]}, without ${missing.join(', ')}`,
          'Limits of these kinds cannot be kept here.',
          facts,
        )
      }
    }
    return pass(words[layout.kind], facts)
  },
}

const overlay: Check = {
  id: 'overlayfs',
  title: 'Overlay file system',
  run() {
    const known = readFileSync('/proc/filesystems', 'utf8')
      .split('\n')
      .some((line) => line.split('\t')[1] === 'overlay')
    if (known) return pass('in the kernel')
    return warn('not in the kernel yet', 'Containers need it for --rootfs: modprobe overlay')
  },
}

export const containerChecks: readonly Check[] = [privilege, runtime, cgroups, overlay]
