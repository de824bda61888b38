import { existsSync, readFileSync } from 'node:fs'
import test from 'ava'
import { reachableSyscalls, type SeccompRule, seccompProfile } from '../../src/container/seccomp.ts'
import { SYSCALLS } from '../../src/container/syscalls.ts'

const profile = seccompProfile()
const rulesFor = (name: string): SeccompRule[] => profile.syscalls.filter(({ names }) => names.includes(name))

test('whatever is not on a list is refused', (t) => {
  t.is(profile.defaultAction, 'SCMP_ACT_ERRNO')
  t.deepEqual(profile.architectures, ['SCMP_ARCH_X86_64'])
})

test('no call that changes, watches or reprograms the host kernel is on a list', (t) => {
  const dangerous = `
    mount umount2 pivot_root move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr setns unshare
    init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register ptrace process_vm_readv
    process_vm_writev kcmp pidfd_getfd add_key request_key keyctl syslog settimeofday clock_settime
    iopl ioperm open_by_handle_at lookup_dcookie nfsservctl uselib ustat sysfs _sysctl vhangup
    sethostname setdomainname migrate_pages move_pages mbind set_mempolicy set_mempolicy_home_node fanotify_init
    fanotify_mark process_madvise modify_ldt set_thread_area quotactl_fd statmount listmount open_tree_attr
    lsm_set_self_attr epoll_ctl_old`
  for (const name of dangerous.trim().split(/\s+/)) t.deepEqual(rulesFor(name), [], name)
})

test('every call of the ordinary lists is named once', (t) => {
  const names = Object.values(SYSCALLS).flat()
  t.is(new Set(names).size, names.length)
})

test('clone may not make namespaces, and clone3 sends the C library back to clone', (t) => {
  const [clone, ...more] = rulesFor('clone')
  t.is(more.length, 0)
  const newNamespaces = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]
  const mask = newNamespaces.reduce((sum, flag) => sum + flag, 0)
  t.deepEqual(clone?.args, [{ index: 0, value: mask, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }])
  t.like(rulesFor('clone3'), [{ action: 'SCMP_ACT_ERRNO', errnoRet: 38 }])
})

test('sockets are local, of the internet and of netlink: no other family loads a module of the host', (t) => {
  const values = (name: string) => rulesFor(name).flatMap(({ args }) => args?.map(({ op, value }) => `${op} ${value}`))
  const families = values('socket').filter((word) => word?.startsWith('SCMP_CMP_EQ'))
  t.deepEqual([...new Set(families)].sort(), ['SCMP_CMP_EQ 1', 'SCMP_CMP_EQ 10', 'SCMP_CMP_EQ 16', 'SCMP_CMP_EQ 2'])
  t.deepEqual(values('socketpair'), ['SCMP_CMP_EQ 1'])
})

test('an internet socket of type SOCK_PACKET, which the kernel takes for one of whole frames, is refused', (t) => {
  const SOCK_PACKET = 10
  const internet = rulesFor('socket').filter(({ args }) => args?.some(({ index, value }) => index === 0 && value === 2))
  const types = internet.map(({ args }) => args?.find(({ index }) => index === 1))
  t.true(types.every((type) => type?.op === 'SCMP_CMP_MASKED_EQ' && type.value === 0xf))
  t.deepEqual(types.map((type) => type?.valueTwo).sort(), [1, 2, 3, 5])
  t.false(types.some((type) => type?.valueTwo === SOCK_PACKET))
})

test('every name is an x86-64 system call that the headers of this host know, but for the newest', (t) => {
  const header = ['/usr/include/x86_64-linux-gnu/asm/unistd_64.h', '/usr/include/asm/unistd_64.h'].find((path) =>
    existsSync(path),
  )
  if (!header) {
    t.log('skipped: the kernel headers are not installed (apt-get install linux-libc-dev)')
    t.pass()
    return
  }
  const known = new Set([...readFileSync(header, 'utf8').matchAll(/__NR_(\w+)/g)].map(([, name]) => name))
  const newest = new Set([
    'cachestat',
    'fchmodat2',
    'map_shadow_stack',
    'futex_wake',
    'futex_wait',
    'futex_requeue',
    'mseal',
  ])
  const unknown = profile.syscalls.flatMap(({ names }) => names).filter((name) => !known.has(name) && !newest.has(name))
  t.deepEqual(unknown, [])
})

test('the count of reachable calls counts each allowed name once', (t) => {
  t.is(
    reachableSyscalls(profile),
    Object.values(SYSCALLS).flat().length + ['clone', 'socket', 'socketpair', 'personality'].length,
  )
})
