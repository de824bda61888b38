/*
 * System calls by name. A handler gets the six argument registers and returns a result or a negative errno; it takes
 * each argument by the width Linux gives it. The table in syscall_table.c says which number is whose.
 */
#ifndef PERSONALITY_SYSCALL_H
#define PERSONALITY_SYSCALL_H

#include "base.h"

typedef int64_t syscall_function(const uint64_t arg[6]);

struct syscall_row {
  unsigned number;
  const char *name;
  syscall_function *function;
};
extern const struct syscall_row syscall_table[];
extern const size_t syscall_table_length;

/* Name of any x86-64 Linux system call, served or not; NULL when there is none of this number. */
const char *syscall_name(uint64_t number);

/* -ENOSYS; the first time for each number with a line on the log. */
int64_t syscall_unsupported(uint64_t number);

/* The registers of the program during a system call. */
extern struct program_regs *syscall_regs;

/* The handlers, by file. */
/* poll.c */
syscall_function sys_poll, sys_ppoll, sys_select, sys_pselect6;
/* sys_attr.c */
syscall_function sys_chmod, sys_fchmodat, sys_fchmod, sys_chown, sys_lchown, sys_fchownat, sys_fchown, sys_umask,
  sys_utimensat, sys_utimes, sys_futimesat, sys_utime, sys_truncate, sys_ftruncate, sys_fallocate, sys_sync,
  sys_fsync, sys_fadvise64;
/* sys_copy.c */
syscall_function sys_sendfile, sys_copy_file_range;
/* sys_dir.c */
syscall_function sys_getdents64, sys_getdents, sys_mkdir, sys_mkdirat, sys_rmdir, sys_chdir, sys_fchdir,
  sys_getcwd;
/* sys_file.c */
syscall_function sys_read, sys_write, sys_pread64, sys_pwrite64, sys_readv, sys_writev, sys_preadv, sys_pwritev,
  sys_preadv2, sys_pwritev2, sys_lseek;
/* sys_identity.c */
syscall_function sys_getuid, sys_getgid, sys_setuid, sys_setgid, sys_setreuid, sys_setregid, sys_setresuid,
  sys_setresgid, sys_getresuid, sys_getresgid, sys_getgroups, sys_setgroups, sys_capget;
/* sys_machine.c */
syscall_function sys_prlimit64, sys_getrlimit, sys_setrlimit, sys_getrusage, sys_sysinfo, sys_uname,
  sys_sethostname;
/* sys_memory.c */
syscall_function sys_brk, sys_mmap, sys_munmap, sys_mprotect, sys_mremap, sys_madvise, sys_mincore, sys_msync,
  sys_mlock, sys_mlockall;
/* sys_names.c */
syscall_function sys_unlink, sys_unlinkat, sys_link, sys_linkat, sys_symlink, sys_symlinkat, sys_readlink,
  sys_readlinkat, sys_mknod, sys_mknodat, sys_rename, sys_renameat, sys_renameat2;
/* sys_open.c */
syscall_function sys_open, sys_openat, sys_creat, sys_close, sys_close_range, sys_dup, sys_dup2, sys_dup3,
  sys_pipe2, sys_pipe, sys_fcntl, sys_flock, sys_ioctl;
/* sys_process.c */
syscall_function sys_exit, sys_getpid, sys_getppid, sys_getpgid, sys_setpgid, sys_setsid, sys_prctl,
  sys_arch_prctl, sys_set_tid_address, sys_set_robust_list, sys_futex, sys_sched_getaffinity,
  sys_sched_setaffinity, sys_getcpu, sys_nothing, sys_getrandom, sys_rseq, sys_execve, sys_wait4, sys_syslog;
/* sys_signal.c */
syscall_function sys_rt_sigaction, sys_rt_sigprocmask, sys_rt_sigpending, sys_pause, sys_rt_sigsuspend,
  sys_rt_sigtimedwait, sys_rt_sigreturn, sys_sigaltstack, sys_kill, sys_tkill, sys_tgkill, sys_rt_sigqueueinfo;
/* sys_socket.c */
syscall_function sys_socket, sys_bind, sys_connect, sys_sendto, sys_recvfrom, sys_setsockopt;
/* sys_stat.c */
syscall_function sys_stat, sys_lstat, sys_fstat, sys_newfstatat, sys_statx, sys_statfs, sys_fstatfs, sys_access,
  sys_faccessat, sys_faccessat2;
/* sys_time.c */
syscall_function sys_clock_gettime, sys_clock_getres, sys_gettimeofday, sys_time, sys_times, sys_nanosleep,
  sys_clock_nanosleep;
/* timer.c */
syscall_function sys_alarm, sys_getitimer, sys_setitimer;

#endif
