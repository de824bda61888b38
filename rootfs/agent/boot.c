#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "freezer.h"
#include "groups.h"
#include "memory-kills.h"
#include "mounts.h"
#include "network.h"
#include "root.h"
#include "say.h"

static char lacks[512];
static int proc = -1;

static void note_lack(const char *what)
{
	size_t length = strlen(lacks);

	snprintf(lacks + length, sizeof lacks - length, "%s%s", length > 0 ? ", " : "", what);
}

const char *boot_lacks(void)
{
	return lacks;
}

int boot_proc(void)
{
	return proc;
}

/* A parent before what is mounted in it. */
static const struct {
	const char *type, *target, *options;
	unsigned long flags;
} mounts[] = {
	{ "proc", "/proc", "", MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "sysfs", "/sys", "", MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "devtmpfs", "/dev", "mode=755", MS_NOSUID },
	{ "devpts", "/dev/pts", "mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC },
	{ "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "cgroup2", "/sys/fs/cgroup", "", MS_NOSUID | MS_NOEXEC | MS_NODEV },
};

static void mount_all(void)
{
	for (unsigned i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		mkdir(mounts[i].target, 0755);
		/* EBUSY: the kernel did it already. */
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags, mounts[i].options) < 0 && errno != EBUSY)
			note_lack(mounts[i].type);
	}
}

/* What shells and their scripts take for granted. */
static void link_streams(void)
{
	(void)!symlink("/proc/self/fd", "/dev/fd");
	(void)!symlink("fd/0", "/dev/stdin");
	(void)!symlink("fd/1", "/dev/stdout");
	(void)!symlink("fd/2", "/dev/stderr");
}

/* A kernel that found no console left us without streams, and the next files would take their numbers. */
static void open_streams(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	for (int stream = 0; stream < 3 && fd >= 0; stream++)
		if (fd != stream)
			dup2(fd, stream);
	if (fd > 2)
		close(fd);
}

/* One line: a file in /modules, a blank and parameters if there are any. */
static void load_module(char *line)
{
	char path[600];
	char *parameters = strchr(line, ' ');
	int fd;

	if (parameters != NULL)
		*parameters++ = '\0';
	snprintf(path, sizeof path, "/modules/%s", line);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, parameters != NULL ? parameters : "", 0) < 0 && errno != EEXIST))
		say(path, errno);
	if (fd >= 0)
		close(fd);
}

static void load_modules(void)
{
	FILE *order = fopen("/modules/order", "re");
	char line[512];

	if (order == NULL)
		return;
	while (fgets(line, sizeof line, order) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '\0')
			load_module(line);
	}
	fclose(order);
}

static void open_proc(void)
{
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void boot(void)
{
	/* As in a container, src/container/bundle.ts. */
	const struct rlimit files = { .rlim_cur = 1024, .rlim_max = 1024 * 1024 };
	const struct rlimit no_core = { 0 };

	mount_all();
	open_streams();
	link_streams();
	load_modules();
	open_proc();
	mounts_watch();
	memory_kills_watch();
	groups_open();
	freezer_open();
	if (!groups_are_limited())
		note_lack("a limit of processes (pids controller)");
	network_loopback();
	root_prepare();
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &no_core);
}

void boot_as_guest_of_host(void)
{
	open_proc();
	note_lack("everything but programs");
}
