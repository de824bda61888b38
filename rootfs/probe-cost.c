/* What operations cost where the probe runs, and steady work for neighbours and tracers to watch. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

static char scratch[64];

static void multiply(int64_t count)
{
	static uint64_t state = 1;

	/* A chain of dependent multiplications: neither the compiler nor the processor can run ahead. */
	for (; count > 0; count--) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(state));
	}
}

static void get_parent(int64_t count)
{
	for (; count > 0; count--)
		syscall(SYS_getppid);
}

static void write_null(int64_t count)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	for (; fd >= 0 && count > 0; count--)
		if (write(fd, scratch, sizeof(scratch)) != sizeof(scratch))
			_exit(4);
	if (fd < 0)
		_exit(4);
	close(fd);
}

static void read_small(int64_t count)
{
	for (; count > 0; count--) {
		int fd = open(own_file, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || read(fd, scratch, sizeof(scratch)) != sizeof(scratch))
			_exit(4);
		close(fd);
	}
}

static const struct workload {
	const char *name;
	void (*run)(int64_t count);
} workloads[] = {
	{ "cpu", multiply },
	{ "syscall", get_parent },
	{ "write", write_null },
	{ "read", read_small },
};

/*
 * Doubles the count until a round takes long enough, and tells of that round only: the others warmed up. The round
 * before must have been long too, since one that was interrupted for a while is long with hardly an operation in it.
 */
int cost(int64_t target_ns)
{
	putchar('{');
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		int64_t count = 64, begin, elapsed = 0, before;

		for (;; count *= 2) {
			before = elapsed;
			begin = monotonic_ns();
			workloads[i].run(count);
			elapsed = monotonic_ns() - begin;
			if (elapsed >= target_ns && before >= target_ns / 4)
				break;
		}
		key(workloads[i].name);
		printf("{\"operations\":%lld,\"ns\":%lld}", (long long)count, (long long)elapsed);
	}
	puts("}");
	return 0;
}

/*
 * A steady neighbour: the same unit of work over and over, and every interval how many units it took how long.
 * Ends when nobody reads any more.
 */
int work(int64_t interval_ns)
{
	for (;;) {
		int64_t begin = monotonic_ns(), elapsed, units = 0;

		do {
			multiply(100000);
			get_parent(8);
			units++;
			elapsed = monotonic_ns() - begin;
		} while (elapsed < interval_ns);
		if (printf("%lld %lld\n", (long long)units, (long long)elapsed) < 0 || fflush(stdout) != 0)
			return 0;
	}
}

/* Much of what programs ask a kernel for, in turns, while somebody traces: memory, files, time, entropy, output. */
int load(int64_t length_ns)
{
	int64_t begin = monotonic_ns();

	for (int round = 0; monotonic_ns() - begin < length_ns; round++) {
		struct stat status;
		void *block = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int fd = open("/tmp/load", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (block != MAP_FAILED) {
			memset(block, round, 1 << 16);
			munmap(block, 1 << 16);
		}
		if (fd >= 0) {
			(void)!write(fd, scratch, sizeof(scratch));
			lseek(fd, 0, SEEK_SET);
			(void)!read(fd, scratch, sizeof(scratch));
			fstat(fd, &status);
			close(fd);
		}
		unlink("/tmp/load");
		stat(own_file, &status);
		syscall(SYS_getrandom, scratch, sizeof(scratch), 0);
		get_parent(1);
		multiply(100000);
		if (printf("round %d\n", round) < 0 || fflush(stdout) != 0)
			return 0;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return 0;
}

int cpu(long millions)
{
	int64_t begin = monotonic_ns();

	multiply((int64_t)millions * 1000000);
	printf("%lld\n", (long long)(monotonic_ns() - begin));
	return 0;
}

int system_calls(long count)
{
	int64_t begin = monotonic_ns();

	get_parent(count);
	printf("%lld\n", (long long)(monotonic_ns() - begin));
	return 0;
}

/* One byte a call, all the way to whoever reads our output. */
int put_bytes(long count)
{
	int64_t begin = monotonic_ns();

	for (long i = 0; i < count; i++)
		if (write(STDOUT_FILENO, ".", 1) != 1)
			return 4;
	printf("\n%lld\n", (long long)(monotonic_ns() - begin));
	return 0;
}
