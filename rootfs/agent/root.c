#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

static bool entered;
static int memory_error;

static void make_layers(void)
{
	mkdir("/written/upper", 0755);
	mkdir("/written/work", 0755);
}

void root_prepare(void)
{
	disk_find_early("cloister-root");
	mkdir("/image", 0755);
	mkdir("/root", 0755);
	mkdir("/written", 0755);
	/* Whoever has a disk for it mounts that one over it. */
	memory_error = mount("tmpfs", "/written", "tmpfs", 0, "mode=755") < 0 ? errno : 0;
	make_layers();
}

static int mount_overlay(void)
{
	return mount("overlay", "/root", "overlay", 0, "lowerdir=/image,upperdir=/written/upper,workdir=/written/work") < 0
		? errno : 0;
}

static int mount_scratch(const struct root *root)
{
	char path[DISK_PATH_MAX];
	int error;

	if (root->scratch[0] == '\0')
		return memory_error;
	error = disk_find(root->scratch, path);
	if (error == 0 && mount(path, "/written", root->scratch_type, 0, NULL) < 0)
		error = errno;
	if (error == 0)
		make_layers();
	return error;
}

/* A directory that the image has not is made in what is written above it. */
static int move_into(const char *name, mode_t mode, bool mounted)
{
	char from[64], to[64];

	snprintf(from, sizeof from, "/%s", name);
	snprintf(to, sizeof to, "/root/%s", name);
	if (mkdir(to, mode) == 0)
		chmod(to, mode);
	return mounted && mount(from, to, NULL, MS_MOVE, NULL) < 0 ? errno : 0;
}

/* The kernel's own first root cannot be unmounted: it is covered. Documentation/filesystems/ramfs-rootfs-initramfs.rst */
static int switch_root(void)
{
	int error = move_into("dev", 0755, true);

	if (error == 0)
		error = move_into("sys", 0555, true);
	if (error == 0)
		error = move_into("proc", 0555, true);
	if (error == 0)
		error = move_into("tmp", 01777, false);
	if (error != 0)
		return error;
	return chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0 ? errno : 0;
}

static int mount_image(const struct root *root, char *what)
{
	char path[DISK_PATH_MAX];
	int error;

	strcpy(what, "the disk with the root");
	if (root->device[0] != '\0')
		snprintf(path, sizeof path, "/dev/%s", root->device);
	else if ((error = disk_find(root->serial, path)) != 0)
		return error;
	error = disk_await_size(path, root->bytes);
	if (error != 0)
		return error;
	snprintf(what, 256, "the %.32s image on %.64s", root->type, path);
	return mount(path, "/image", root->type, MS_RDONLY, NULL) < 0 ? errno : 0;
}

int root_enter(const struct root *root, char *what)
{
	int error;

	if (entered)
		return EALREADY;
	error = mount_image(root, what);
	if (error != 0)
		return error;
	strcpy(what, "the disk or memory for what is written");
	error = mount_scratch(root);
	if (error == 0) {
		strcpy(what, "the overlay");
		error = mount_overlay();
	}
	if (error == 0) {
		strcpy(what, "the new root");
		error = switch_root();
	}
	entered = error == 0;
	return error;
}
