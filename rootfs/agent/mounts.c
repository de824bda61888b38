#include "mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "boot.h"
#include "say.h"

enum { MOUNTS_SIZE = 32 * 1024 };

static int watched = -1;
static bool own_last;

void mounts_watch(void)
{
	watched = openat(boot_proc(), "self/mounts", O_RDONLY | O_CLOEXEC);
}

/* Since it was opened, or asked last. proc(5) */
static bool changed(void)
{
	struct pollfd mounts = { .fd = watched, .events = POLLPRI };

	return watched < 0 || poll(&mounts, 1, 0) > 0;
}

void mounts_expected(void)
{
	changed();
}

void mounts_lasting(void)
{
	own_last = true;
}

void mounts_sync(void)
{
	if (own_last)
		sync();
}

/* Blanks and the like are octal in /proc/self/mounts. fstab(5) */
static void unescape(char *text)
{
	char *into = text;

	for (; *text != '\0'; into++)
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] != '\0' && text[3] != '\0') {
			*into = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*into = *text++;
		}
	*into = '\0';
}

/* Where something is that outlives this machine: a disk, or a directory of the host. */
static bool is_lasting(const char *line, char target[4096])
{
	char source[256], type[64], options[256];

	if (sscanf(line, "%255s %4095s %63s %255s", source, target, type, options) != 4 || strncmp(options, "rw", 2) != 0)
		return false;
	return strncmp(source, "/dev/", 5) == 0 || strcmp(type, "9p") == 0;
}

/* The latest first: one may be mounted inside another. */
static void unmount_lasting(char *mounts)
{
	bool synced = false;

	for (char *line; *mounts != '\0';) {
		static char target[4096];

		line = strrchr(mounts, '\n');
		line = line == NULL ? mounts : line + 1;
		if (is_lasting(line, target)) {
			if (!synced)
				sync();
			synced = true;
			unescape(target);
			if (umount2(target, 0) < 0 && mount(NULL, target, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
				say("a disk stays mounted", 0);
		}
		if (line == mounts)
			return;
		line[-1] = '\0';
	}
}

void mounts_settle(void)
{
	static char mounts[MOUNTS_SIZE];
	size_t length = 0;
	ssize_t count;

	if (!own_last && !changed())
		return;
	int fd = openat(boot_proc(), "self/mounts", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		sync();
		return;
	}
	while (length < sizeof mounts - 1 && (count = read(fd, mounts + length, sizeof mounts - 1 - length)) > 0)
		length += (size_t)count;
	close(fd);
	mounts[length] = '\0';
	unmount_lasting(mounts);
}
