#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* What we wrote, as it was then: a program may have replaced it since. */
static struct {
	dev_t device;
	ino_t inode;
} own[16];

static bool is_own(const struct stat *status)
{
	for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
		if (own[i].inode == status->st_ino && own[i].device == status->st_dev && status->st_ino != 0)
			return true;
	return false;
}

static void remember(int fd)
{
	static unsigned next;
	struct stat status;

	if (fstat(fd, &status) == 0) {
		own[next % (sizeof own / sizeof *own)].device = status.st_dev;
		own[next++ % (sizeof own / sizeof *own)].inode = status.st_ino;
	}
}

/* All directories of the path, and itself unless `parents_only`. */
static int make_directories(const char *path, bool parents_only)
{
	char part[PATH_MAX];

	if (path[0] != '/' || strlen(path) >= sizeof part)
		return EINVAL;
	strcpy(part, path);
	for (char *at = part + 1; *at != '\0'; at++)
		if (*at == '/') {
			*at = '\0';
			if (mkdir(part, 0755) < 0 && errno != EEXIST)
				return errno;
			*at = '/';
		}
	return parents_only || mkdir(part, 0755) == 0 || errno == EEXIST ? 0 : errno;
}

/* Set-user-ID files and device nodes that the host has in a share are without effect here. */
#define SHARE_FLAGS(share) (MS_NOSUID | MS_NODEV | ((share)->read_only ? MS_RDONLY : 0))

static int mount_at(const struct share *share, const char *target)
{
	char all[512];
	int length = snprintf(all, sizeof all, "trans=virtio,version=9p2000.L%s%s", share->options[0] != '\0' ? "," : "",
		share->options);

	if (length >= (int)sizeof all)
		return EINVAL;
	return mount(share->tag, target, "9p", SHARE_FLAGS(share), all) < 0 ? errno : 0;
}

/* Where a share is for as long as it takes to bind its only entry elsewhere: the mount outlives the place. */
#define STAGE "/.cloister-share"

static int bind_entry(const struct share *share)
{
	char entry[PATH_MAX];
	int fd;

	if (snprintf(entry, sizeof entry, STAGE "/%s", share->file) >= (int)sizeof entry)
		return ENAMETOOLONG;
	fd = open(share->target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno != EEXIST)
		return errno;
	if (fd >= 0)
		close(fd);
	if (mount(entry, share->target, NULL, MS_BIND, NULL) < 0)
		return errno;
	return mount(NULL, share->target, NULL, MS_REMOUNT | MS_BIND | SHARE_FLAGS(share), NULL) < 0 ? errno : 0;
}

static int mount_file(const struct share *share)
{
	int error = make_directories(share->target, true);

	if (error == 0 && mkdir(STAGE, 0700) < 0 && errno != EEXIST)
		error = errno;
	if (error != 0)
		return error;
	error = mount_at(share, STAGE);
	if (error == 0) {
		error = bind_entry(share);
		umount2(STAGE, MNT_DETACH);
	}
	rmdir(STAGE);
	return error;
}

int files_mount_share(const struct share *share)
{
	int error;

	if (share->file[0] != '\0')
		return mount_file(share);
	error = make_directories(share->target, false);
	return error != 0 ? error : mount_at(share, share->target);
}

static int write_all(int fd, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(fd, bytes, count);

		if (written < 0 && errno != EINTR)
			return errno;
		bytes += written > 0 ? written : 0;
		count -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

int files_write(const char *path, mode_t mode, bool if_absent, const uint8_t *bytes, size_t count)
{
	struct stat status;
	int error, fd;

	if (if_absent && stat(path, &status) == 0 && !is_own(&status))
		return 0;
	error = make_directories(path, true);
	if (error != 0)
		return error;
	if (unlink(path) < 0 && errno != ENOENT)
		return errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return errno;
	fchmod(fd, mode);
	error = write_all(fd, bytes, count);
	remember(fd);
	close(fd);
	return error;
}

/* Of more than this a start rarely reads all. */
#define PREFETCH_MAX (16 << 20)

void files_prefetch(const char *path)
{
	static char buffer[64 * 1024];
	struct stat status;
	off_t done = 0;
	/* A FIFO would wait, and other devices may do anything. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		for (ssize_t count = 1; count > 0 && done < PREFETCH_MAX; done += count)
			count = read(fd, buffer, sizeof buffer);
	close(fd);
}
