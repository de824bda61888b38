#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441 /* since Linux 4.13 */
#endif

int terminal_open(const struct terminal_size *size, int *ours, int *programs)
{
	struct winsize wanted = { .ws_col = size->cols, .ws_row = size->rows };
	int unlocked = 0;

	*ours = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (*ours < 0 || ioctl(*ours, TIOCSPTLCK, &unlocked) < 0 || ioctl(*ours, TIOCSWINSZ, &wanted) < 0)
		return errno;
	*programs = ioctl(*ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return *programs < 0 ? errno : 0;
}
