/*
 * What the unikernel and Cloister say to each other. src/unikernel/abi.ts says the same in TypeScript, and a test
 * compiles this file and compares the two.
 *
 * The guest starts by PVH. The first boot module is its root file tree (cpio newc), which it serves from memory.
 * The standard streams, and a control channel, are three ports of one virtio-console (virtio 1.2 section 5.3,
 * VIRTIO_CONSOLE_F_MULTIPORT). Under a VMM without those ports (QEMU) port 0 or the serial port carries stdin,
 * stdout and stderr, the command line carries the program after " -- ", and the exit port carries the status.
 */
#ifndef CLOISTER_ABI_H
#define CLOISTER_ABI_H

/* Port numbers of the virtio-console. */
#define CLOISTER_PORT_STDIO 0   /* both ways: stdin in, stdout out */
#define CLOISTER_PORT_STDERR 1  /* guest to host */
#define CLOISTER_PORT_CONTROL 2 /* both ways: messages, below */

/* I/O ports. */
#define CLOISTER_IO_EXIT 0xf4   /* one byte v: leave, as QEMU's isa-debug-exit; v is the exit status */
#define CLOISTER_IO_PANIC 0x505 /* one byte: 1, the guest kernel gave up (as the pvpanic device has it) */
#define CLOISTER_IO_SERIAL 0x3f8

/*
 * A message on the control port: this header, then `length` bytes. Little-endian, no padding. A message may be
 * spread over several buffers of the port, and several may share one.
 */
struct cloister_message {
  unsigned int type;
  unsigned int length;
};
#define CLOISTER_MESSAGE_MAX (1u << 20)

/* Host to guest. */
#define CLOISTER_MSG_ARGS 1      /* struct cloister_args, then its strings: start the program */
#define CLOISTER_MSG_STDIN_END 2 /* u64: how many bytes of stdin there were in all; after them comes the end */
#define CLOISTER_MSG_SIGNAL 3    /* u32: a Linux signal number for the program */
#define CLOISTER_MSG_HOLD 4      /* nothing: stand still until RELEASE, and say so with HELD */
#define CLOISTER_MSG_RELEASE 5   /* struct cloister_release: go on, as whoever that says */

/* Guest to host. */
#define CLOISTER_MSG_READY 16   /* nothing: the kernel is up and waits for ARGS */
#define CLOISTER_MSG_STARTED 17 /* nothing: sent just before the program's first instruction */
#define CLOISTER_MSG_LOG 18     /* text, one line without its end */
#define CLOISTER_MSG_EXIT 19    /* struct cloister_exit: sent before the write to CLOISTER_IO_EXIT */
#define CLOISTER_MSG_HELD 20    /* nothing: from here on the program executes no instruction until RELEASE */

/*
 * What to run. After it come, each ended by a NUL byte: the program's path in the file tree, the working directory,
 * argc arguments, envc strings K=V.
 */
struct cloister_args {
  unsigned int argc;
  unsigned int envc;
  unsigned int flags;
  unsigned int reserved;
};
#define CLOISTER_ARGS_STDIN 1u /* stdin is connected; without it the program reads end of file at once */
#define CLOISTER_ARGS_STDIN_TTY 2u  /* the stream is a terminal on the host: isatty() says so */
#define CLOISTER_ARGS_STDOUT_TTY 4u
#define CLOISTER_ARGS_STDERR_TTY 8u
#define CLOISTER_ARGS_TTY 16u /* the three are one terminal of the program's own, in raw mode on the host: the kernel
                                 makes lines and echo; its size comes as VIRTIO_CONSOLE_RESIZE of port 0 */

/*
 * Who the machine is from now on. Between HOLD and RELEASE it may have been copied, any number of times: each copy gets
 * a message of its own, with random bytes that no other has, before its program goes on.
 */
struct cloister_release {
  unsigned char entropy[32];      /* mixed into the random number generator */
  unsigned long long realtime_ns; /* since 1970, when this was sent; 0: not known */
  unsigned char mac[6];
  unsigned short flags;
  unsigned int address, netmask, gateway; /* as on the wire; gateway 0: none */
  unsigned int reserved;
  char hostname[64]; /* ended by a NUL; empty: as it was */
};
#define CLOISTER_RELEASE_NETWORK 1u /* mac and the addresses count */

/* How the program ended. */
struct cloister_exit {
  unsigned int status; /* what a shell shows as $?: the program's status, or 128 + signal; 126, 127: not started */
  unsigned int signal; /* 0, or the signal that ended it */
  unsigned int reason; /* why, below */
};
#define CLOISTER_EXIT_PROGRAM 0        /* it called exit, or a signal ended it */
#define CLOISTER_EXIT_NOT_EXECUTABLE 1 /* not an ELF program this kernel runs; a LOG message says why */
#define CLOISTER_EXIT_NOT_FOUND 2      /* no such file in the tree */
#define CLOISTER_EXIT_OUT_OF_MEMORY 3  /* the program or the tree does not fit into guest memory */

#endif
