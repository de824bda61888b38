/*
 * The C peer of exit-roundtrip.ts: a real-mode guest that writes to a port for ever, each write an exit that a
 * handler answers. Reads a number of exits per line from stdin, prints the nanoseconds per exit for each line.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

enum { MEMORY_SIZE = 0x10000, CODE = 0x1000, PORT = 0x10 };

static const uint8_t code[] = { 0xe6, PORT, 0xeb, 0xfc }; /* again: out PORT, al; jmp again */
static uint64_t sum;

static int check(int result, const char *what)
{
	if (result >= 0)
		return result;
	perror(what);
	exit(1);
}

static void *map(size_t size, int flags, int fd)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	check(address == MAP_FAILED ? -1 : 0, "mmap");
	return address;
}

static void on_port(uint16_t port, const uint8_t *data, uint32_t length)
{
	sum += port + data[0] + length;
}

static void run_exits(int vcpu, struct kvm_run *run, long exits)
{
	for (long done = 0; done < exits; done++) {
		check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT)
			exit(2);
		on_port(run->io.port, (uint8_t *)run + run->io.data_offset, run->io.size * run->io.count);
	}
}

static double now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(void)
{
	int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	uint8_t *memory = map(MEMORY_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	memcpy(memory + CODE, code, sizeof code);
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE, .userspace_addr = (uintptr_t)memory };
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");

	int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_run *run = map(size, MAP_SHARED, vcpu);
	struct kvm_sregs sregs;
	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");

	for (long exits; scanf("%ld", &exits) == 1;) {
		double start = now_ns();
		run_exits(vcpu, run, exits);
		printf("%.1f\n", (now_ns() - start) / exits);
		fflush(stdout);
	}
	return sum == 0;
}
