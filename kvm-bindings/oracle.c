/*
 * What the C headers say: sizes, field offsets, request numbers and constants, one per line.
 *
 * oracle-rows.inc holds the questions: the oracle test writes it from the names in the TypeScript declarations, so
 * that no field can be forgotten; the answers come from the compiler alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define MEMBER(tag, path) ((struct tag *)0)->path
#define STRUCT_SIZE(tag) printf("size " #tag " %zu\n", sizeof(struct tag));
#define FIELD(tag, path) \
	printf("offset " #tag "." #path " %zu\n", offsetof(struct tag, path)); \
	printf("size " #tag "." #path " %zu\n", sizeof(MEMBER(tag, path)));
#define CONSTANT(name) printf("constant " #name " %lld\n", (long long)(name));
/* A request is an unsigned int that ioctl(2) takes as unsigned long. */
#define REQUEST(name) printf("request " #name " %u\n", (unsigned int)(name));

int main(void)
{
#include "oracle-rows.inc"
	return 0;
}
