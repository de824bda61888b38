/**
 * System calls that a container may make, x86-64 names as in the kernel's syscall_64.tbl, by what they are for.
 * Why each class is here and what is not: docs/isolation-levels.md, "System calls of a container".
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

export const SYSCALLS = {
  'read and write': words(`
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile splice tee vmsplice
    copy_file_range readahead fadvise64 fsync fdatasync sync syncfs sync_file_range ftruncate truncate fallocate
    io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents`),
  descriptors: words(`
    open openat openat2 creat close close_range dup dup2 dup3 fcntl ioctl flock pipe pipe2 memfd_create eventfd
    eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime epoll_create epoll_create1 epoll_ctl
    epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6 inotify_init
    inotify_init1 inotify_add_watch inotify_rm_watch`),
  files: words(`
    stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 getdents getdents64 getcwd chdir
    fchdir mkdir mkdirat rmdir mknod mknodat link linkat unlink unlinkat symlink symlinkat readlink readlinkat rename
    renameat renameat2 chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask utime utimes utimensat
    futimesat getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr removexattr
    lremovexattr fremovexattr chroot name_to_handle_at`),
  memory: words(`
    brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 mlockall munlock munlockall
    remap_file_pages membarrier get_mempolicy memfd_secret pkey_alloc pkey_free pkey_mprotect cachestat map_shadow_stack
    mseal process_mrelease`),
  'processes and threads': words(`
    fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid getpgid setpgid getpgrp getsid
    setsid set_tid_address set_robust_list get_robust_list futex futex_waitv futex_wait futex_wake futex_requeue
    rseq arch_prctl prctl sched_yield sched_getaffinity sched_setaffinity
    sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr sched_setattr
    sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority setpriority ioprio_get ioprio_set
    getrlimit setrlimit prlimit64 getrusage times getcpu pidfd_open pidfd_send_signal seccomp landlock_create_ruleset
    landlock_add_rule landlock_restrict_self`),
  identity: words(`
    getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid
    setgroups setfsuid setfsgid capget capset`),
  signals: words(`
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo
    rt_tgsigqueueinfo sigaltstack kill tkill tgkill pause alarm restart_syscall`),
  time: words(`
    time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep getitimer setitimer timer_create
    timer_settime timer_gettime timer_getoverrun timer_delete adjtimex clock_adjtime`),
  sockets: words(`
    bind listen accept accept4 connect getsockname getpeername getsockopt setsockopt sendto sendmsg
    sendmmsg recvfrom recvmsg recvmmsg shutdown`),
  'communication on one machine': words(`
    shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink
    mq_timedsend mq_timedreceive mq_notify mq_getsetattr`),
  'about the machine': words('uname sysinfo getrandom'),
} as const
