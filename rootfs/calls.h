/* System calls without a C library: for programs of which every container runs one. */
#ifndef CALLS_H
#define CALLS_H

#include <sys/syscall.h>

static inline long call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
		: "rcx", "r11", "memory");
	return result;
}

#endif
