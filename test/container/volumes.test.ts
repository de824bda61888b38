import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { mountOf, volumeMounts } from '../../src/container/volumes.ts'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { containerTest, runContainer, temporaryDirectory } from '../helpers/containers.ts'

const volume = (source: string, target: string, readOnly = false) => ({ source, target, readOnly })

const shell = (script: string, volumes: RunSpec['volumes']) => busyboxSpec(['sh', '-c', script], { volumes })

function filled(t: ExecutionContext): string {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  mkdirSync(join(directory, 'sub'))
  writeFileSync(join(directory, 'file'), 'of the host\n')
  return directory
}

containerTest('a volume is the directory of the host, both ways and at once', async (t) => {
  const directory = filled(t)
  const result = await runContainer(
    t,
    shell('cat /srv/data/file; echo inside > /srv/data/new; mkdir /srv/data/sub/deep; rm /srv/data/file', [
      volume(directory, '/srv/data'),
    ]),
  )
  t.like(result, { exitCode: 0, stdout: 'of the host\n', stderr: '' })
  t.is(readFileSync(join(directory, 'new'), 'utf8'), 'inside\n')
  t.true(existsSync(join(directory, 'sub/deep')))
  t.false(existsSync(join(directory, 'file')))
})

containerTest('a read-only volume is read-only, and so is a single file', async (t) => {
  const directory = filled(t)
  const script =
    'for f in /data/new /data/sub/new /data/file /etc/one; do echo x > $f && echo wrote $f; done; cat /etc/one; grep -c "nosuid,nodev" /proc/mounts'
  const volumes = [volume(directory, '/data', true), volume(join(directory, 'file'), '/etc/one', true)]
  const result = await runContainer(t, shell(script, volumes))
  t.is(result.stdout.split('\n')[0], 'of the host')
  t.true(Number(result.stdout.split('\n')[1]) >= 2)
  t.deepEqual(readdirSync(directory).sort(), ['file', 'sub'])
})

containerTest('mount points are made in the writable layer: the root directory given stays as it is', async (t) => {
  const root = temporaryDirectory(t)
  chmodSync(root, 0o755)
  mkdirSync(join(root, 'bin'))
  writeFileSync(join(root, 'bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 })
  const directory = filled(t)
  const result = await runContainer(t, {
    ...busyboxSpec([]),
    source: { kind: 'rootfs', directory: root },
    program: '/bin/busybox',
    argv: ['busybox', 'ls', '/a/b'],
    volumes: [volume(directory, '/a/b')],
    cwd: '/a/b/sub',
  })
  t.like(result, { exitCode: 0, stdout: 'file\nsub\n' })
  t.deepEqual(readdirSync(root), ['bin'])
})

containerTest('a volume whose source is gone is refused, and nothing is left', async (t) => {
  const directory = join(temporaryDirectory(t), 'none')
  await t.throwsAsync(runContainer(t, shell('true', [volume(directory, '/data')])), {
    name: 'UsageError',
    message: /Cannot share .*none: there is no such file/,
  })
})

test('of what the mount below forbids nothing is allowed', (t) => {
  const mount = (mountPoint: string, ...options: string[]) => ({ mountPoint, type: 'ext4', options })
  const mounts = [mount('/', 'rw'), mount('/home', 'rw', 'noexec'), mount('/home/a', 'ro'), mount('/home', 'rw')]
  t.is(mountOf('/homes', mounts), mounts[0])
  t.is(mountOf('/home', mounts), mounts[3], 'the later one covers the earlier')
  t.is(mountOf('/home/a/b', mounts), mounts[2])
  t.deepEqual(volumeMounts({}), [])
  const [proc] = volumeMounts({ volumes: [volume('/sys', '/host', true)] })
  t.true(['ro', 'rro'].some((option) => proc?.options.includes(option)))
  t.like(proc, { destination: '/host', type: 'bind', source: '/sys' })
})
