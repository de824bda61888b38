/** What is mounted inside a container, and which parts of /proc and /sys are hidden or read-only there. */

/** OCI runtime spec, config.md "Mounts". */
export interface OciMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

const HARMLESS = ['nosuid', 'noexec', 'nodev'] as const

/** Of the memory limit, for files: what is written counts against the limit, and the program needs some for itself. */
export const filesMax = (memoryBytes: number): number => Math.floor(memoryBytes / 2)

export const systemMounts = (memoryBytes: number): readonly OciMount[] => [
  { destination: '/proc', type: 'proc', source: 'proc', options: HARMLESS },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=64k'] },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
  },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    // Without a size it is half of the host's memory.
    options: [...HARMLESS, 'mode=1777', `size=${filesMax(memoryBytes)}`],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: HARMLESS },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...HARMLESS, 'ro'] },
]

/** A file of the host seen read-only inside: how a single program gets into its root without being copied. */
export const readOnlyFile = (source: string, destination: string): OciMount => ({
  destination,
  type: 'bind',
  source,
  options: ['bind', 'ro', 'nosuid', 'nodev'],
})

/**
 * Files that tell about the host or reach its hardware: what docker and podman hide, and what only root may read, since
 * root inside is root for these. docs/isolation-levels.md says what each is. One that is not there is passed over.
 */
export const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/allocinfo',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/kpagecgroup',
  '/proc/kpagecount',
  '/proc/kpageflags',
  '/proc/latency_stats',
  '/proc/pagetypeinfo',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/slabinfo',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/vmallocinfo',
  '/sys/dev/block',
  '/sys/devices/virtual/dmi',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  '/sys/fs/selinux',
  '/sys/kernel/slab',
] as const

/** Files that would change the host. */
export const READ_ONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'] as const
