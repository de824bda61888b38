#include "finish.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "boot.h"
#include "link.h"
#include "say.h"
#include "session.h"

/* Who has not died by then waits for a device, and will never see the end of it. */
enum { PATIENCE_MS = 5000, MOUNTS_SIZE = 32 * 1024 };

static bool began, ended, asked_for;
static int64_t deadline;

static void kill_all(void)
{
	if (getpid() == 1)
		kill(-1, SIGKILL);
	for (struct session *session = NULL; (session = session_next(session)) != NULL;)
		if (!session->ended)
			kill(-session->pid, SIGKILL);
}

void finish_begin(bool asked)
{
	asked_for |= asked;
	if (began)
		return;
	began = true;
	deadline = now_ms() + PATIENCE_MS;
	kill_all();
}

bool finishing(void)
{
	return began;
}

bool finished(void)
{
	return ended;
}

int finish_due(void)
{
	int64_t in = deadline - now_ms();

	return !began || ended ? -1 : in < 0 ? 0 : (int)in;
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

/* Of what is only in memory nothing is left anyway; a disk that was written to without being mounted is synced by its close. */
static void settle_disks(void)
{
	static char mounts[MOUNTS_SIZE];
	int fd = openat(boot_proc(), "self/mounts", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t count;

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

void finish_serve(bool alone)
{
	if (began && !ended && (alone || now_ms() >= deadline)) {
		if (getpid() == 1)
			settle_disks();
		ended = true;
	}
}

void finish_say(void)
{
	if (ended && asked_for && link_is_up() && link_has_room(ANSWER_MAX)) {
		frame_begin(FRAME_DOWN, 0);
		frame_end();
		asked_for = false;
	}
}
