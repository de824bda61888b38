/*
 * The seam inside the unikernel. Below it: boot, traps, drivers, time, page tables (platform). Above it: files,
 * descriptors, program loading, Linux system calls (personality). Both run at CPL3 in one address space; only entry
 * stubs and the few privileged operations behind this header run at CPL0.
 */
#ifndef CLOISTER_PLATFORM_H
#define CLOISTER_PLATFORM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t ssize_t; /* a count, or a negative Linux errno */

/* --- boot facts, filled before personality_main() runs --- */

struct boot_facts {
  const uint8_t *root_cpio; /* the file tree, cpio newc, in place in memory; NULL if none */
  size_t root_cpio_size;
  const char *command_line; /* NUL-ended; the part after " -- " is the program when no ARGS message comes */
  size_t ram_bytes;
};
extern struct boot_facts boot_facts;

/* The program to run, from CLOISTER_MSG_ARGS or from the command line. Strings live as long as the kernel. */
struct program_args {
  const char *path; /* in the file tree */
  const char *cwd;
  int argc, envc;
  const char **argv, **envp;
  uint32_t flags; /* CLOISTER_ARGS_* */
};
/* Blocks until the host said what to run. */
void platform_wait_args(struct program_args *args);

/* --- memory ---
 *
 * All free RAM is one contiguous, writable, already mapped window, handed to the personality once. Bytes never
 * handed out before are zero. Nothing is mapped later but program images: no demand paging, no page faults.
 */
struct memory_window {
  uint8_t *base; /* page-aligned virtual address */
  size_t size;
};
struct memory_window platform_memory(void);

#define MAP_READ 1u
#define MAP_WRITE 2u
#define MAP_EXEC 4u
/*
 * Maps `pages` 4 KiB pages at virtual address `va` of the program's low half onto the page-aligned memory at `backing`:
 * pages of the window or, without MAP_WRITE, of the root file tree, whose last page may end behind the tree. Only
 * before platform_enter_program(). 0, -ENOMEM (page tables), or -EINVAL when va is not a place a program may have.
 */
int platform_map_program(uint64_t va, uint8_t *backing, size_t pages, unsigned prot);
/* Makes the mappings above take effect. */
void platform_activate_program(void);

/* --- streams: 0 stdin, 1 stdout, 2 stderr --- */

/* Blocks until all is queued for the host (backpressure included). Count, or -EINTR if a signal came before any byte. */
ssize_t platform_stream_write(int stream, const void *bytes, size_t count);
/* At least one byte, 0 at the end of stdin, -EAGAIN if `block` is false and nothing waits, -EINTR on a signal. */
ssize_t platform_stream_read(void *bytes, size_t count, bool block);
/* Bytes or the end wait to be read. */
bool platform_stream_readable(void);
/* From now on input that arrives interrupts the program too, so that personality_deliver_signals() can look at it. */
void platform_watch_input(void);

/* --- disks: bytes at a position; what is no whole sector the platform reads and writes around --- */

struct disk_facts {
  uint64_t bytes;
  uint32_t sector_bytes;
  bool read_only;
};
unsigned platform_disk_count(void);
const struct disk_facts *platform_disk(unsigned disk); /* NULL: there is none */
/*
 * Blocks until all is read or written; a signal does not cut it short. What lies past the disk's end is not moved: the
 * count is then less, 0 at the end. -EIO if the device failed and nothing was moved; of a small write perhaps by the next
 * one, or by the flush. `direct`: from and to the device itself, neither read ahead nor left under way.
 * Else a block written in part stays here until a request that is not its continuation, a sleep, or the end.
 */
ssize_t platform_disk_read(unsigned disk, void *bytes, size_t count, uint64_t offset, bool direct);
ssize_t platform_disk_write(unsigned disk, const void *bytes, size_t count, uint64_t offset, bool direct);
/* What was written so far is on stable storage: 0 or -EIO. */
int platform_disk_flush(unsigned disk);
/* Forgets what was read ahead. */
void platform_disk_forget(unsigned disk);

/* --- network: IPv4, addresses as on the wire --- */

/*
 * Sends a packet, if need be once its neighbour has told his MAC address; one that never answers is not noticed. `hops`
 * 0: the usual number. 0, -ENETUNREACH, or -EMSGSIZE.
 */
int platform_packet_send(uint32_t destination, uint8_t protocol, uint8_t hops, const void *payload, size_t count);

/* --- time, entropy, log --- */

uint64_t platform_monotonic_ns(void);
uint64_t platform_realtime_ns(void);
/*
 * Sleeps (the vCPU halts) until the monotonic clock reaches `deadline_ns` (UINT64_MAX: no deadline), or one of the things
 * in `wake` comes. 0 when one of them did, -EINTR when a signal is pending for the program.
 */
#define WAKE_STDIN 1u  /* stdin is readable, or personality_input_news() */
#define WAKE_PACKET 2u /* personality_packet_news() */
int platform_sleep_until(uint64_t deadline_ns, unsigned wake);
/*
 * For alarm and setitimer. At about this monotonic time (UINT64_MAX: at none) a timer
 * interrupt brings a computing program into the kernel, so that personality_deliver_signals() runs. One alarm at
 * a time; platform_sleep_until() may use the same timer and forget it: the personality sets it again after sleeping.
 */
void platform_set_alarm(uint64_t deadline_ns);
void platform_random(void *bytes, size_t count);
/* One line to the host's log; never to the program's streams. %s %d %u %x %lx %lu %p %c. */
void platform_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- the program --- */

/*
 * Registers of the program as it entered the kernel; written back when it goes on. Order as entry.h pushes them.
 */
struct program_regs {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
  uint64_t rip, cs, rflags, rsp, ss;
};
/* The first instruction of the program; never returns. Sends CLOISTER_MSG_STARTED. fs base 0. */
void platform_enter_program(uint64_t rip, uint64_t rsp) __attribute__((noreturn));
void platform_set_fs_base(uint64_t value);
uint64_t platform_get_fs_base(void);
/* Ends the VM with what goes into struct cloister_exit. */
void platform_exit(uint32_t status, uint32_t signal, uint32_t reason) __attribute__((noreturn));
/* A broken invariant of the kernel: says so on the log and the panic port; never returns. */
void platform_panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* --- what the personality provides --- */

/* Called once on the kernel stack, at CPL3, after boot; builds the file tree, loads and enters the program. */
void personality_main(void) __attribute__((noreturn));
/* A system call of the program: number in regs->orig_rax, result into regs->rax. Runs on the kernel stack. */
void personality_syscall(struct program_regs *regs);
/*
 * A CPU exception in the program (vector, error code, CR2 for page faults): becomes SIGSEGV, SIGILL, SIGFPE, SIGBUS
 * or SIGTRAP. Runs on the kernel stack at CPL3.
 */
void personality_fault(struct program_regs *regs, unsigned vector, uint64_t error, uint64_t address);
/* A signal for the program came from the host (async context: record only, must not block or allocate). */
void personality_signal_arrived(int signo);
/* The host's window behind port 0 has this size now. Interrupt context as above. */
void personality_window_changed(unsigned columns, unsigned rows);
/* The machine has another host name from now on. */
void personality_renamed(const char *hostname);
/* Whether a signal that is neither blocked nor ignored waits for the program; platform sleeps ask this. */
bool personality_signal_pending(void);
/* Whether input was taken off stdin that some part of the program may be waiting for, and has not looked at yet. */
bool personality_input_news(void);
/*
 * An IPv4 packet for this machine, whole and its lengths checked: platform_packet_send()'s counterpart. May come whenever the
 * kernel waits; must not wait itself.
 */
void personality_packet_arrived(const uint8_t *packet, size_t count);
/* Whether one came that some part of the program may be waiting for, and has not looked at yet. */
bool personality_packet_news(void);
/*
 * Called with the program's registers whenever the kernel is about to return to it and when an interrupt caught it
 * with a signal pending: runs default actions, or builds a signal frame and changes regs.
 */
void personality_deliver_signals(struct program_regs *regs);

#endif
