/** What containers stand on: a runtime, control groups, the overlay file system. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { explainRefusal, rootlessMode, userNamespaceRefusal } from '../container/rootless.ts'
import { findRuntimes } from '../container/runtime.ts'
import { notesFile, runtimeNotes } from '../container/runtime-notes.ts'
import { delegatedCgroup } from '../host/cgroup-delegation.ts'
import { controllerMount, readCgroupLayout } from '../host/cgroup-layout.ts'
import { type Check, fail, pass, warn } from './check.ts'

const TRIAL_MS = 5000
const LIMITS = ['memory', 'cpu', 'pids'] as const

const privilege: Check = {
  id: 'container-privilege',
  title: 'Container privilege',
  run() {
    const uid = process.geteuid?.() ?? 0
    const rootless = rootlessMode(uid)
    if (!rootless) return pass('root')
    const refusal = userNamespaceRefusal()
    if (refusal) return fail(`user ${uid}: ${refusal.reason}`, refusal.hint)
    const said = tryNamespaces()
    if (said !== undefined) return fail(`user ${uid}: ${said}`, `${explainRefusal(said) ?? 'Use sudo'}.`)
    const users = rootless.users === 'one' ? 'one user inside' : 'users inside by /etc/subuid'
    const controllers = delegatedCgroup(readCgroupLayout())?.controllers ?? []
    const missing = LIMITS.filter((name) => !controllers.includes(name))
    const words = `user ${uid}: in a user namespace, ${users}`
    const facts = { uid, users: rootless.users, controllers }
    if (missing.length === 0) return pass(`${words}, with control groups`, facts)
    return warn(
      words,
      `No limits of ${missing.join(', ')}${controllers.length === 0 ? ', and no pausing' : ''}: use root, or on a v2 host systemd-run --user --scope.`,
      facts,
    )
  },
}

/** @returns what the host has against it */
function tryNamespaces(): string | undefined {
  const namespaces = ['--user', '--map-root-user', '--mount', '--pid', '--fork', '--mount-proc']
  const { status, stderr, error } = spawnSync('unshare', [...namespaces, 'true'], {
    encoding: 'utf8',
    timeout: TRIAL_MS,
  })
  return status === 0 ? undefined : stderr?.trim() || (error?.message ?? 'unshare failed')
}

const runtime: Check = {
  id: 'container-runtime',
  title: 'Container runtime',
  run() {
    const { kind } = readCgroupLayout()
    const notes = runtimeNotes(notesFile())
    const answers = findRuntimes(readCgroupLayout()).map((one) => ({
      ...one,
      words: `${one.name} ${notes.versionOf(one) ?? ''}`.trim(),
      runs: notes.versionOf(one) !== undefined,
      reason: notes.reasonOf(one),
    }))
    const working = answers.filter(({ runs, reason }) => runs && reason === undefined)
    const refusals = answers.flatMap(({ words, reason }) => (reason === undefined ? [] : [`${words}: ${reason}`]))
    const facts = {
      runtimes: answers.map(({ path }) => path),
      why:
        kind === 'v2'
          ? 'crun first: control groups are version 2'
          : 'runc first: control groups are not version 2 alone',
      refusals,
    }
    if (working.length > 0) {
      const refused = refusals.length > 0 ? `; refused this host: ${refusals.join('; ')}` : ''
      return pass(`${working.map(({ words }) => words).join(', then ')}${refused}`, facts)
    }
    if (refusals.length > 0) return fail(`none works here: ${refusals.join('; ')}`, 'apt-get install runc', facts)
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
      const missing = LIMITS.filter((name) => !controllers.includes(name))
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

/** What `pause` needs. cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst */
const freezer: Check = {
  id: 'freezer',
  title: 'Freezer',
  run() {
    const mount = controllerMount(readCgroupLayout(), 'freezer')
    if (!mount) return warn('none', 'Containers cannot be paused here: mount -t cgroup2 none /sys/fs/cgroup')
    try {
      accessSync(mount.mountPoint, constants.W_OK)
    } catch {
      if (delegatedCgroup(readCgroupLayout()))
        return pass(`control groups version ${mount.version}, where this user may`)
      return warn(`version ${mount.version}, but not for this user`, 'Containers can be paused by root only.')
    }
    return pass(`control groups version ${mount.version}`)
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

export const containerChecks: readonly Check[] = [privilege, runtime, cgroups, freezer, overlay]
