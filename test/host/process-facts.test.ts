import test from 'ava'
import fc from 'fast-check'
import { CAPABILITIES, capabilityNames } from '../../src/host/capabilities.ts'
import { parseMounts, readMounts } from '../../src/host/mounts.ts'
import { ownNamespaces } from '../../src/host/namespaces.ts'
import { childrenOf, hardLimit, parseStatus } from '../../src/host/process-status.ts'
import { cpuTimeNs, privateBytes } from '../../src/host/process-usage.ts'

const GONE = 2 ** 22 + 1

test('capabilities are named by their number', (t) => {
  t.is(CAPABILITIES.indexOf('CAP_SYS_ADMIN'), 21)
  t.is(CAPABILITIES.indexOf('CAP_CHECKPOINT_RESTORE'), 40)
  t.deepEqual(capabilityNames(0x20_0001n), ['CAP_CHOWN', 'CAP_SYS_ADMIN'])
  t.is(capabilityNames(0x1ff_ffff_ffffn).length, 41)
})

test('what holds a process back is read from its status', (t) => {
  const status = parseStatus(
    'Name:\tx\nState:\tS (sleeping)\nUid:\t1\t1000\t1\t1\nCapEff:\t00000000000405fb\nCapBnd:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n',
  )
  t.like(status, { uid: 1000, noNewPrivileges: true, seccomp: 2, seccompFilters: 3, effectiveCapabilities: 0x405fbn })
  t.like(parseStatus('CapEff:\tnonsense\n'), { effectiveCapabilities: 0n, noNewPrivileges: false, seccomp: 0 })
})

test('mounts are read with their options, whatever else is in the line', (t) => {
  const line = '25 24 0:26 / /proc/sys ro,nosuid shared:4 master:1 - proc proc rw\n'
  t.deepEqual(parseMounts(line), [{ mountPoint: '/proc/sys', type: 'proc', options: ['ro', 'nosuid'] }])
  t.true(readMounts('self').some(({ mountPoint }) => mountPoint === '/'))
  fc.assert(fc.property(fc.string(), (text) => parseMounts(text).every(({ mountPoint }) => mountPoint !== '')))
})

test('a mount point with blanks in it is read as it is', (t) => {
  t.is(parseMounts('25 24 0:26 / /srv/my\\040data rw - tmpfs tmpfs rw\n')[0]?.mountPoint, '/srv/my data')
})

test('a limit that is not listed, and one that is none, are told apart', (t) => {
  const limits =
    'Limit                     Soft Limit           Hard Limit           Units     \nMax processes             512                  512                  processes \nMax cpu time              unlimited            unlimited            seconds   \n'
  t.is(hardLimit(limits, 'Max processes'), 512)
  t.is(hardLimit(limits, 'Max cpu time'), Number.POSITIVE_INFINITY)
  t.is(hardLimit(limits, 'Max nonsense'), undefined)
})

test('a process that is gone uses nothing, has no children and shares no question', (t) => {
  t.is(cpuTimeNs(GONE), 0)
  t.is(privateBytes(GONE), 0)
  t.deepEqual(childrenOf(GONE), [])
  t.deepEqual(ownNamespaces(GONE), [])
  t.deepEqual(readMounts(GONE), [])
})

test('our own use grows with what we do, and our namespaces are ours', (t) => {
  const before = cpuTimeNs('self')
  while (cpuTimeNs('self') === before);
  t.true(cpuTimeNs(process.pid) > before)
  const held = Buffer.alloc(32 * 2 ** 20, 1)
  t.true(privateBytes('self') > held.length)
  t.deepEqual(ownNamespaces(process.pid), [])
})
