import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot, probePath } from '../../src/paths.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { runContainer, whyNoContainers } from '../helpers/containers.ts'

const built = existsSync(probePath)
const probeTest = built ? test : test.skip
const title = (text: string) => (built ? text : `${text} (skipped: rootfs/build/probe is missing, run make -C rootfs)`)

const probe = (...args: string[]) => execFileSync(probePath, args, { encoding: 'utf8' })
const isolation = () => JSON.parse(probe('isolation')) as Record<string, unknown>

probeTest(title('the keys that the probe prints are the ones that its README explains'), (t) => {
  const readme = readFileSync(join(packageRoot, 'rootfs/README.md'), 'utf8')
  const table = readme.slice(readme.search(/^\| Key +\|/m))
  const explained = [...table.matchAll(/^\| (`.*?`) +\|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, key]) => key),
  )
  t.deepEqual(Object.keys(isolation()).sort(), explained.sort())
})

probeTest(title('on the host the probe sees the host'), (t) => {
  const seen = isolation()
  t.is(seen.release, release())
  t.is(seen.bootId, readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
  t.is(seen.otherProcesses, true)
  t.true((seen.mounts as number) > 1)
})

probeTest(title('start, cpu and syscall print one number, hold ends with its input, exit with its argument'), (t) => {
  const before = process.hrtime.bigint()
  const started = BigInt(probe('start'))
  t.true(started > before && started < process.hrtime.bigint())
  t.true(Number(probe('cpu', '1')) > 0)
  t.true(Number(probe('syscall', '1000')) > 0)
  t.is(execFileSync(probePath, ['hold'], { input: 'x\n', encoding: 'utf8' }), 'ready\n')
  t.is(probe('touch', '2'), 'touched 2 MiB\n')
  t.is(spawnSync(probePath, ['exit', '9']).status, 9)
  t.is(spawnSync(probePath, ['nonsense']).status, 2)
})

const probeSpec = (verb: string) =>
  busyboxSpec([], {
    source: { kind: 'program', hostPath: probePath, path: '/probe' },
    program: '/probe',
    argv: ['/probe', verb],
    name: 'probed',
  })

const inContainer = built && whyNoContainers === undefined ? test : test.skip
inContainer(
  title(`in a container the probe sees the host's kernel and little else (${whyNoContainers ?? 'here'})`),
  async (t) => {
    const { stdout } = await runContainer(t, probeSpec('isolation'))
    t.like(JSON.parse(stdout), {
      release: release(),
      hostname: 'probed',
      processes: 2,
      otherProcesses: true,
      uid: 0,
      kernelLogSyscall: false,
      kernelLogDevice: false,
      capabilityCount: 10,
      seccomp: 'filter',
      noNewPrivileges: true,
      otherDevices: [],
      writableSysctls: [],
      interfaces: ['lo'],
    })
  },
)

inContainer(
  title(`the mark of a program's start is before its own first look at the clock (${whyNoContainers ?? 'here'})`),
  async (t) => {
    const { stdout, instance } = await runContainer(t, probeSpec('start'))
    const { entered, programStarted } = instance.phases
    t.true(entered! < programStarted!)
    t.true(programStarted! < BigInt(stdout))
  },
)
