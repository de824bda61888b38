/**
 * Which tests run in the lab: `shortSet` in every `make test`, `guestTests` in `make test-svm`. docs/svm-lab.md
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const tests = join(root, 'build/test')

/**
 * What two kinds of KVM are likeliest to disagree on, and containers on a host of cgroup v2 alone. A row is a test file
 * and titles in it, `*` for anything; a title that matches no test fails the run, so that none is lost when it is
 * renamed. All run in one process, where a title may be there once.
 */
export const shortSet = [
  {
    file: 'kvm-bindings/kvm',
    titles: [
      'a byte goes out through a port',
      'an access outside memory is one to a device',
      'a string instruction brings all its bytes*',
      'what was set is what is read, for every kind of state',
      'an MSR that KVM does not know is read and written in user space',
      'a guest is stepped one instruction at a time',
      'a write to an irqfd raises its interrupt',
      'the dirty log names the pages*',
      'immediate_exit ends a run before the guest moves',
    ],
  },
  {
    file: 'guest/exits',
    titles: [
      'a guest in an endless loop *',
      'a halted guest with interrupts off is stopped from outside',
      'a string instruction writes every byte',
      'the reset line of the keyboard controller ends the guest as a reset',
      'a guest that dies (*',
      'the trace narrates every exit*',
      'a machine gives back every descriptor and mapping',
    ],
  },
  { file: 'guest/smp', titles: ['a guest finds 3 processors *', 'a guest finds 4 processors *'] },
  {
    file: 'linux/run',
    titles: ["run: input, both outputs, status and the kernel are those of a microVM (Debian's stock kernel*"],
  },
  { file: 'guest/disks', titles: ['what a guest writes is in the image when it has ended*'] },
  {
    file: 'guest/busybox',
    titles: [
      'busybox sha256sum bytes text',
      'busybox awk *sqrt*',
      'busybox ls -R .',
      'busybox gzip -c numbers',
      'busybox sh -c *trap*',
      'a second process is refused as by a Linux that has none to give',
    ],
  },
  {
    file: 'guest/avx',
    titles: ['vector registers are kept across exits, and hold AVX where the policy says so (gcc)'],
  },
  {
    file: 'contract/levels/unikernel',
    titles: [
      'unikernel: exit status, standard error, environment and working directory are the program*',
      'unikernel: -i connects standard input to its end*',
      'unikernel: an interrupt reaches the program*',
      'unikernel: the time limit ends a program*',
    ],
  },
  {
    file: 'contract/levels/container',
    titles: ['container: exit status, standard error, environment and working directory are the program*'],
  },
  {
    file: 'container/container',
    titles: [
      'a fork bomb meets the limit of processes*',
      'a program that hits its memory limit ends with 137*',
      'limits are set where the kernel counts',
      'from inside there are its own processes*',
    ],
  },
]

export const shortSetFiles = shortSet.map(({ file }) => `${file}.test.js`)
export const shortSetTitles = shortSet.flatMap(({ titles }) => titles)

const literally = (text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
const pattern = (title) => new RegExp(`^${title.split('*').map(literally).join('.*')}$`, 'is')

/** Titles of the short set that none of those seen is one of. */
export const missingFromShortSet = (titlesSeen) =>
  shortSetTitles.filter((title) => !titlesSeen.some((seen) => pattern(title).test(seen)))

/** How a test says that it needs a KVM or containers (test/helpers/kvm.ts, containers.ts, microvm.ts; test/contract/levels/). */
const STARTS_GUESTS =
  /\b(kvmTest|stockKernelTest|containerTest|levelTest|rootlessTest|microvmTest|ownKernelTest|\w+KeepTheirPromises|whyNoKvm)/
/** Whole folders, whatever they say. */
const GUEST_FOLDERS = ['guest/', 'kvm-bindings/']
/**
 * Not there: what does nothing but measure, since no timing taken in the lab means anything, and what starts commands by
 * the hundred, at ten seconds each; the guests behind those are the ones that the others start.
 */
const ELSEWHERE = /^(bench|compare|report|holder)\/|^cli\/(bench|detached|steering|getting-started)\./

/** Every test file that starts guests or containers; new ones are among them by themselves. */
export const guestTests = () =>
  readdirSync(tests, { recursive: true })
    .filter((file) => file.endsWith('.test.js') && !ELSEWHERE.test(file))
    .filter(
      (file) =>
        GUEST_FOLDERS.some((folder) => file.startsWith(folder)) ||
        STARTS_GUESTS.test(readFileSync(join(tests, file), 'utf8')),
    )
    .sort()
    .map((file) => join('build/test', file))
