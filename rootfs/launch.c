/*
 * The last step before an OCI runtime, in a mount namespace of its own (src/container/launch.ts):
 *
 *   launch DIRECTORY BYTES PROGRAM [ARG...]
 *
 * makes DIRECTORY/root an overlay of DIRECTORY/lower and of BYTES of memory, and becomes PROGRAM. The memory is
 * charged to whoever writes; it goes away with the namespace, as the mounts do. Runs in a user namespace too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_FD 7

static void must(int result, const char *what)
{
	if (result == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/*
 * Descriptor 7 is /proc/PID/stat of the process that wants this container: it may have died before the signal that
 * ends us with it was armed, and a read then fails or shows a zombie. proc_pid_stat(5)
 */
static int has_owner(void)
{
	char text[4096];
	ssize_t length = read(OWNER_FD, text, sizeof text - 1);
	const char *name_end;

	close(OWNER_FD);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	name_end = strrchr(text, ')');
	return name_end != NULL && name_end[1] == ' ' && name_end[2] != 'Z' && name_end[2] != 'X';
}

/* Whether all users of the host exist here, under their own numbers: outside of every user namespace. uid_map(5) */
static int in_user_namespace(void)
{
	unsigned long inside = 1, outside = 1, count = 0;
	FILE *map = fopen("/proc/self/uid_map", "r");

	if (map == NULL)
		return 0;
	if (fscanf(map, "%lu %lu %lu", &inside, &outside, &count) != 3)
		count = 0;
	fclose(map);
	return !(inside == 0 && outside == 0 && count == 4294967295UL);
}

/* Trusted attributes, which note what was removed, are out of reach in a user namespace. overlayfs.rst, userxattr */
#define LAYERS "lowerdir=lower,upperdir=writable/upper,workdir=writable/work"

int main(int argc, char **argv)
{
	char options[64];
	struct stat lower;
	int rootless = in_user_namespace();

	if (argc < 4 || !has_owner())
		return 1;
	must(chdir(argv[1]), argv[1]);
	snprintf(options, sizeof options, "mode=0700,size=%s", argv[2]);
	must(mount("tmpfs", "writable", "tmpfs", MS_NOSUID | MS_NODEV, options), "mount tmpfs");
	must(mkdir("writable/upper", 0700), "mkdir upper");
	must(mkdir("writable/work", 0700), "mkdir work");
	/* The root directory inside has the owner and mode of the topmost layer. */
	must(stat("lower", &lower), "stat lower");
	/* An owner who does not exist in the user namespace stays nobody in the layer below; above, it is root. */
	if (chown("writable/upper", lower.st_uid, lower.st_gid) != 0 && !rootless)
		must(-1, "chown upper");
	must(chmod("writable/upper", lower.st_mode & 07777), "chmod upper");
	/* Set-user-ID files and device nodes of a root that was given are without effect; /dev is a mount of its own. */
	must(mount("overlay", "root", "overlay", MS_NOSUID | MS_NODEV, rootless ? LAYERS ",userxattr" : LAYERS), "mount overlay");
	execv(argv[3], argv + 3);
	must(-1, argv[3]);
	return 1;
}
