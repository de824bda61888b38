#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "session.h"

/* include/uapi/linux/fs.h */
#define BLKRRPART _IO(0x12, 95)
#define BLKFLSBUF _IO(0x12, 97)
#define BLKGETSIZE64 _IOR(0x12, 114, size_t)

/* A slow machine's driver, with some patience. */
enum { PATIENCE_MS = 10000 };

static char early_serial[32] = "\n", early_path[DISK_PATH_MAX];

static void wait_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static bool has_serial(const char *disk, const char *serial)
{
	char path[DISK_PATH_MAX], text[64];
	ssize_t count;
	int fd;

	snprintf(path, sizeof path, "/sys/block/%.200s/serial", disk);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	count = read(fd, text, sizeof text - 1);
	close(fd);
	text[count > 0 ? count : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, serial) == 0;
}

static bool look(const char *serial, char path[DISK_PATH_MAX])
{
	DIR *disks = opendir("/sys/block");
	struct dirent *entry;
	bool found = false;

	while (!found && disks != NULL && (entry = readdir(disks)) != NULL)
		if (entry->d_name[0] != '.' && has_serial(entry->d_name, serial)) {
			snprintf(path, DISK_PATH_MAX, "/dev/%.200s", entry->d_name);
			found = true;
		}
	if (disks != NULL)
		closedir(disks);
	return found;
}

void disk_find_early(const char *serial)
{
	if (strlen(serial) < sizeof early_serial && look(serial, early_path))
		strcpy(early_serial, serial);
}

int disk_find(const char *serial, char path[DISK_PATH_MAX])
{
	const int64_t deadline = now_ms() + PATIENCE_MS;

	if (strcmp(serial, early_serial) == 0) {
		strcpy(path, early_path);
		return 0;
	}
	while (!look(serial, path)) {
		if (now_ms() >= deadline)
			return ENODEV;
		wait_a_little();
	}
	return 0;
}

int disk_await_size(const char *path, uint64_t bytes)
{
	const int64_t deadline = now_ms() + PATIENCE_MS;

	for (;;) {
		uint64_t size = 0;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		int error = fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0 ? errno : size == bytes ? 0 : EFBIG;

		if (error == 0)
			error = ioctl(fd, BLKFLSBUF, 0) < 0 ? errno : 0;
		if (fd >= 0)
			close(fd);
		if ((error != ENOENT && error != ENXIO && error != EFBIG) || now_ms() >= deadline)
			return error;
		wait_a_little();
	}
}

int disk_look_anew(const char *name, uint64_t bytes)
{
	char path[DISK_PATH_MAX];
	int error, fd;

	snprintf(path, sizeof path, "/dev/%.200s", name);
	error = disk_await_size(path, bytes);
	if (error != 0)
		return error;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	/* Refused where it has none. */
	ioctl(fd, BLKRRPART, 0);
	close(fd);
	return 0;
}
