/*
 * The C peer of restore.ts: what no VMM can be quicker than. For each line on stdin makes a VM over a file mapped
 * copy-on-write, with interrupt controllers and one vCPU, runs it to its first exit and prints the nanoseconds that took.
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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CODE = 0x1000, PORT = 0x10 };

static const uint8_t code[] = { 0xe6, PORT, 0xeb, 0xfc }; /* again: out PORT, al; jmp again */

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

static double now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static double first_exit(const char *file)
{
	double start = now_ns();
	int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	int fd = check(open(file, O_RDONLY | O_CLOEXEC), file);
	struct stat stat;
	check(fstat(fd, &stat), "fstat");
	uint8_t *memory = map(stat.st_size, MAP_PRIVATE | MAP_NORESERVE, fd);
	memcpy(memory + CODE, code, sizeof code);
	struct kvm_userspace_memory_region region = { .memory_size = stat.st_size, .userspace_addr = (uintptr_t)memory };
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
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
	check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
	double took = now_ns() - start;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT)
		exit(2);
	munmap(run, size);
	close(vcpu);
	munmap(memory, stat.st_size);
	close(fd);
	close(vm);
	close(kvm);
	return took;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	while (getchar() == '\n') {
		printf("%.0f\n", first_exit(argv[1]));
		fflush(stdout);
	}
	return 0;
}
