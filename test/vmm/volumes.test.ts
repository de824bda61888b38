import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Reactor } from '../../src/backends/reactor.ts'
import { attachVolumes, fidsFor } from '../../src/vmm/volumes.ts'

const base = mkdtempSync(join(tmpdir(), 'cloister-volumes-'))
const at = (name: string) => join(base, name)
mkdirSync(at('dir'))
writeFileSync(at('file'), '')
symlinkSync('file', at('link'))
test.after.always(() => rmSync(base, { recursive: true }))

const volume = (source: string, target: string, readOnly = false) => ({ source, target, readOnly })
const openDescriptors = () => readdirSync('/proc/self/fd').length

test.serial('each volume becomes a device with a tag of its own, and the guest is told where it belongs', async (t) => {
  const before = openDescriptors()
  const reactor = new Reactor((error) => t.fail(error.message))
  const lines: string[] = []
  const volumes = [volume(at('dir'), '/a'), volume(at('link'), '/etc/b', true)]
  const attached = attachVolumes(volumes, { reactor, log: (line) => lines.push(line) })
  const options = 'msize=135168,cache=mmap,access=client'
  t.deepEqual(attached.shares, [
    { tag: 'cloister0', target: '/a', readOnly: false, options },
    // The file that the link leads to: its name is that of the only entry.
    { tag: 'cloister1', target: '/etc/b', readOnly: true, options, file: 'file' },
  ])
  t.deepEqual(
    attached.devices.map(({ id, config }) => [id, Buffer.from(config.subarray(2)).toString()]),
    [
      [9, 'cloister0'],
      [9, 'cloister1'],
    ],
  )
  t.deepEqual(attached.describe(), {
    volumes: [
      { ...volumes[0], tag: 'cloister0' },
      { ...volumes[1], tag: 'cloister1' },
    ],
  })
  attached.close()
  attached.close()
  await reactor.close()
  t.is(openDescriptors(), before)
  t.deepEqual(lines, [])
})

test.serial('when one of them cannot be had, none stays open', async (t) => {
  const reactor = new Reactor((error) => t.fail(error.message))
  const before = openDescriptors()
  for (const [source, message] of [
    [at('none'), /Cannot share .*none: there is no such file/],
    ['/proc/sys', /windows into the kernel of the host/],
    ['/dev/null', /a device/],
  ] as const) {
    t.throws(() => attachVolumes([volume(at('dir'), '/a'), volume(source, '/b')], { reactor, log: () => {} }), {
      name: 'UsageError',
      message,
    })
    t.is(openDescriptors(), before, source)
  }
  await reactor.close()
})

test('a guest has as many files in hand as the process can spare', (t) => {
  const limits = (hard: number) => `Max open files            1024                 ${hard}               files\n`
  t.is(fidsFor(1, limits(1_048_576)), 16_384)
  t.is(fidsFor(8, limits(4096)), 448)
  t.is(fidsFor(1, limits(64)), 512)
})
