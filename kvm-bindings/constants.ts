/**
 * Numbers of the Linux user-space API that the bindings take as arguments, under their C names.
 * x86-64 values; the oracle test proves each against the system's headers.
 */

// open(2)
export const O_RDONLY = 0o0
export const O_WRONLY = 0o1
export const O_RDWR = 0o2
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
export const O_NONBLOCK = 0o4000
export const O_DSYNC = 0o10000
export const O_DIRECTORY = 0o200000
export const O_NOFOLLOW = 0o400000
export const O_CLOEXEC = 0o2000000
export const O_SYNC = 0o4010000
export const O_PATH = 0o10000000

// openat2(2)
export const SYS_openat2 = 437
export const RESOLVE_NO_MAGICLINKS = 0x02
export const RESOLVE_NO_SYMLINKS = 0x04
export const RESOLVE_BENEATH = 0x08

// fstatat(2), unlinkat(2), linkat(2), utimensat(2), getdents(2)
export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_EMPTY_PATH = 0x1000
export const UTIME_NOW = 0x3fffffff
export const UTIME_OMIT = 0x3ffffffe
export const SYS_newfstatat = 262
export const SYS_getdents64 = 217

// inode(7)
export const S_IFMT = 0o170000
export const S_IFDIR = 0o040000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
export const S_ISVTX = 0o1000

// mmap(2)
export const PROT_NONE = 0
export const PROT_READ = 1
export const PROT_WRITE = 2
export const MAP_SHARED = 0x01
export const MAP_PRIVATE = 0x02
export const MAP_FIXED = 0x10
export const MAP_ANONYMOUS = 0x20
export const MAP_NORESERVE = 0x4000
export const MAP_POPULATE = 0x8000

// madvise(2)
export const MADV_DONTNEED = 4
export const MADV_REMOVE = 9
export const MADV_NOHUGEPAGE = 15

// lseek(2)
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

// memfd_create(2), eventfd(2)
export const MFD_CLOEXEC = 0x1
export const MFD_ALLOW_SEALING = 0x2
export const EFD_SEMAPHORE = 0o1
export const EFD_NONBLOCK = 0o4000
export const EFD_CLOEXEC = 0o2000000

// epoll(7)
export const EPOLL_CLOEXEC = 0o2000000
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLL_CTL_MOD = 3
export const EPOLLIN = 0x001
export const EPOLLOUT = 0x004
export const EPOLLERR = 0x008
export const EPOLLHUP = 0x010
export const EPOLLRDHUP = 0x2000
export const EPOLLEXCLUSIVE = 0x10000000
export const EPOLLONESHOT = 0x40000000
export const EPOLLET = 0x80000000

// fallocate(2), preadv2(2)
export const FALLOC_FL_KEEP_SIZE = 0x01
export const FALLOC_FL_PUNCH_HOLE = 0x02
export const FALLOC_FL_ZERO_RANGE = 0x10
export const RWF_NOWAIT = 0x8

// fcntl(2), <linux/fs.h>
export const F_RDLCK = 0
export const F_WRLCK = 1
export const F_UNLCK = 2
export const F_OFD_GETLK = 36
export const F_OFD_SETLK = 37
export const BLKGETSIZE64 = 0x80081272

// io_uring(7)
export const SYS_io_uring_setup = 425
export const SYS_io_uring_enter = 426
export const SYS_io_uring_register = 427
export const IORING_OFF_SQ_RING = 0
export const IORING_OFF_SQES = 0x10000000
export const IORING_ENTER_GETEVENTS = 1
export const IORING_FEAT_SINGLE_MMAP = 1
export const IORING_FEAT_SUBMIT_STABLE = 4
export const IORING_FSYNC_DATASYNC = 1

// flock(2)
export const LOCK_EX = 2
export const LOCK_NB = 4

// socket(7), unix(7)
export const SOL_SOCKET = 1
export const SO_PEERCRED = 17

// netdevice(7), <linux/if.h>, <linux/if_tun.h>
export const AF_INET = 2
export const SOCK_DGRAM = 2
export const SOCK_CLOEXEC = 0o2000000
export const SIOCGIFFLAGS = 0x8913
export const SIOCGIFMTU = 0x8921
export const IFF_UP = 0x1
export const IFF_TAP = 0x0002
export const IFF_MULTI_QUEUE = 0x0100
export const IFF_PERSIST = 0x0800
export const IFF_NO_PI = 0x1000
export const IFF_VNET_HDR = 0x4000
export const TUNSETIFF = 0x400454ca
export const TUNSETOFFLOAD = 0x400454d0
export const TUNGETIFF = 0x800454d2
export const TUNSETVNETHDRSZ = 0x400454d8
export const TUN_F_CSUM = 0x01
export const TUN_F_TSO4 = 0x02
export const TUN_F_TSO6 = 0x04
export const TUN_F_TSO_ECN = 0x08
export const TUN_F_USO4 = 0x20
export const TUN_F_USO6 = 0x40

// sigaction(2)
export const SA_RESTART = 0x10000000

// syscall(2)
export const SYS_gettid = 186
export const SYS_tgkill = 234

// errno(3), the few that code here decides on; every other one travels as a name in SyscallError.code
export const EPERM = 1
export const ENOENT = 2
export const EINTR = 4
export const EIO = 5
export const ENXIO = 6
export const E2BIG = 7
export const EBADF = 9
export const EAGAIN = 11
export const EACCES = 13
export const EBUSY = 16
export const EEXIST = 17
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const ENFILE = 23
export const ENOSPC = 28
export const EROFS = 30
export const ENAMETOOLONG = 36
export const ENOSYS = 38
export const ELOOP = 40
export const EPROTO = 71
export const EMSGSIZE = 90
export const EOPNOTSUPP = 95
export const ESTALE = 116
export const ECANCELED = 125

// KVM_SET_USER_MEMORY_REGION
export const KVM_MEM_LOG_DIRTY_PAGES = 1
export const KVM_MEM_READONLY = 2

// KVM_IRQFD, KVM_IOEVENTFD, KVM_SIGNAL_MSI, KVM_CREATE_PIT2
export const KVM_IRQFD_FLAG_DEASSIGN = 1
export const KVM_IRQFD_FLAG_RESAMPLE = 2
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1
export const KVM_IOEVENTFD_FLAG_PIO = 2
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 4
export const KVM_MSI_VALID_DEVID = 1
export const KVM_PIT_SPEAKER_DUMMY = 1

// KVM_GET_IRQCHIP
export const KVM_IRQCHIP_PIC_MASTER = 0
export const KVM_IRQCHIP_PIC_SLAVE = 1
export const KVM_IRQCHIP_IOAPIC = 2

// KVM_SET_CLOCK
export const KVM_CLOCK_TSC_STABLE = 2
export const KVM_CLOCK_REALTIME = 4
export const KVM_CLOCK_HOST_TSC = 8

// KVM_SET_CPUID2
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1

// KVM_SET_MP_STATE
export const KVM_MP_STATE_RUNNABLE = 0
export const KVM_MP_STATE_UNINITIALIZED = 1
export const KVM_MP_STATE_INIT_RECEIVED = 2
export const KVM_MP_STATE_HALTED = 3
export const KVM_MP_STATE_SIPI_RECEIVED = 4

// KVM_SET_VCPU_EVENTS
export const KVM_VCPUEVENT_VALID_NMI_PENDING = 0x01
export const KVM_VCPUEVENT_VALID_SIPI_VECTOR = 0x02
export const KVM_VCPUEVENT_VALID_SHADOW = 0x04
export const KVM_VCPUEVENT_VALID_SMM = 0x08
export const KVM_VCPUEVENT_VALID_PAYLOAD = 0x10
export const KVM_VCPUEVENT_VALID_TRIPLE_FAULT = 0x20

// KVM_SET_GUEST_DEBUG
export const KVM_GUESTDBG_ENABLE = 0x1
export const KVM_GUESTDBG_SINGLESTEP = 0x2
export const KVM_GUESTDBG_USE_SW_BP = 0x10000
export const KVM_GUESTDBG_USE_HW_BP = 0x20000

// kvm_run.internal.suberror, kvm_run.system_event.type
export const KVM_INTERNAL_ERROR_EMULATION = 1
export const KVM_INTERNAL_ERROR_SIMUL_EX = 2
export const KVM_INTERNAL_ERROR_DELIVERY_EV = 3
export const KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON = 4
export const KVM_SYSTEM_EVENT_SHUTDOWN = 1
export const KVM_SYSTEM_EVENT_RESET = 2
export const KVM_SYSTEM_EVENT_CRASH = 3
