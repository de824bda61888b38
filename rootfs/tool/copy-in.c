/*
 * An archive from standard input, made at a path or below it. Nothing of it is made elsewhere: every directory on the way
 * is opened by itself, a symbolic link in its place is refused, and so is "..". What is no file, directory or link is left out.
 *
 *   PATH is a directory      what the archive holds is made in it, under the names that it has there
 *   PATH is not there        the first entry, with all that is below it, becomes PATH
 *   PATH is a file           the first entry, a file, takes its place
 *   -p                       into a directory as above; otherwise standard input is no archive but the bytes of the file
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tar.h"
#include "tool.h"

#define NAME_SIZE 256

/* Where the archive goes. */
static int base = -1;
/* What the first entry is called instead, when it becomes PATH; its name, and how long that is without slashes at its end. */
static char renamed[NAME_SIZE], root[TAR_PATH_MAX];
static size_t root_length;
static struct tar_entry entry;

/*
 * The next part of a path: its length, and where it begins; empty ones and "." are passed over. 0: none is left.
 * -1: it may not be.
 */
static int next_part(const char **at)
{
	for (;;) {
		size_t length;

		*at += strspn(*at, "/");
		length = strcspn(*at, "/");
		if (length == 1 && **at == '.') {
			++*at;
			continue;
		}
		if (length == 2 && memcmp(*at, "..", 2) == 0) {
			errno = EPERM;
			return -1;
		}
		if (length >= NAME_SIZE) {
			errno = ENAMETOOLONG;
			return -1;
		}
		return (int)length;
	}
}

/* Walks to the directory of `path`, making what is missing, and leaves the last part in `last`, "" for the base itself. */
static int open_parent(const char *path, int make, char last[NAME_SIZE])
{
	int directory = fcntl(base, F_DUPFD_CLOEXEC, 3), length;

	strcpy(last, renamed);
	if (renamed[0] != '\0')
		path += root_length;
	length = next_part(&path);
	while (directory >= 0 && length != 0) {
		int inner;

		if (length < 0)
			goto refused;
		if (last[0] != '\0') {
			if (make && mkdirat(directory, last, 0755) != 0 && errno != EEXIST)
				goto refused;
			inner = openat(directory, last, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (inner < 0)
				goto refused;
			close(directory);
			directory = inner;
		}
		memcpy(last, path, (size_t)length);
		last[length] = '\0';
		path += length;
		length = next_part(&path);
	}
	return directory;
refused:
	/* A link has no business there, and says so with the errno of what it is not. */
	if (errno == ENOTDIR || errno == ELOOP)
		errno = ENOTDIR;
	close(directory);
	return -1;
}

/* Whatever but a directory stands there gives way. */
static int make_way(int parent, const char *name)
{
	struct stat stat;

	if (fstatat(parent, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -1;
	if (S_ISDIR(stat.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	return unlinkat(parent, name, 0);
}

/* Numbers that do not exist here stay ours, and then no file is to run as somebody. */
static int give_attributes(int fd)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = entry.mtime } };
	mode_t mode = entry.mode & 07777;

	if (fchown(fd, entry.uid, entry.gid) != 0) {
		if (errno != EPERM && errno != EINVAL)
			return -1;
		mode &= 01777;
	}
	if (fchmod(fd, mode) != 0)
		return -1;
	/* A time that the file system cannot hold is no reason to do without the file. */
	(void)!futimens(fd, times);
	return 0;
}

static int write_all(int fd, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t done = write(fd, bytes, count);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		bytes += done;
		count -= (size_t)done;
	}
	return 0;
}

static char bytes[64 * 1024];

/* A file that is mounted there cannot be taken away: it is written anew. */
static int open_new(int parent, const char *name)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat stat;
	int fd;

	if (make_way(parent, name) == 0)
		return openat(parent, name, flags | O_EXCL, 0600);
	if (errno != EBUSY)
		return -1;
	fd = openat(parent, name, flags | O_TRUNC, 0600);
	if (fd >= 0 && (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode))) {
		close(fd);
		errno = EBUSY;
		return -1;
	}
	return fd;
}

static int make_file(int parent, const char *name)
{
	int fd = open_new(parent, name), result = 0;
	long count;

	if (fd < 0)
		return -1;
	while (result == 0 && (count = tar_read(bytes, sizeof bytes)) != 0)
		result = count < 0 ? -1 : write_all(fd, bytes, (size_t)count);
	if (result == 0)
		result = give_attributes(fd);
	if (close(fd) != 0)
		result = -1;
	return result;
}

/* Directories get what they are to have when nothing more is made in them. */
static struct directory {
	char *name;
	uint32_t mode, uid, gid;
	int64_t mtime;
} *directories;
static size_t directories_size, directories_used;

static int make_directory(int parent, const char *name)
{
	struct directory *grown;

	if (mkdirat(parent, name, 0700) != 0) {
		struct stat stat;

		if (errno != EEXIST || fstatat(parent, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
			return -1;
		if (!S_ISDIR(stat.st_mode)) {
			errno = EEXIST;
			return -1;
		}
	}
	if (directories_used == directories_size) {
		directories_size = directories_size == 0 ? 64 : 2 * directories_size;
		grown = realloc(directories, directories_size * sizeof *directories);
		if (grown == NULL)
			return -1;
		directories = grown;
	}
	directories[directories_used] = (struct directory){ strdup(entry.name), entry.mode, entry.uid, entry.gid, entry.mtime };
	return directories[directories_used++].name == NULL ? -1 : 0;
}

static int settle_directories(void)
{
	char last[NAME_SIZE];

	while (directories_used > 0) {
		const struct directory *one = &directories[--directories_used];
		int parent = open_parent(one->name, 0, last);
		int fd = parent < 0 ? -1 : openat(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (parent >= 0)
			close(parent);
		entry.mode = one->mode;
		entry.uid = one->uid;
		entry.gid = one->gid;
		entry.mtime = one->mtime;
		if (fd < 0 || give_attributes(fd) != 0)
			return fail(one->name, NULL);
		close(fd);
	}
	return 0;
}

static int make_symlink(int parent, const char *name)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = entry.mtime } };

	if (make_way(parent, name) != 0 || symlinkat(entry.link, parent, name) != 0)
		return -1;
	if (fchownat(parent, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != EPERM && errno != EINVAL)
		return -1;
	(void)!utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* Whether `name` is the first entry, or below it. */
static int is_below(const char *name)
{
	return strncmp(name, root, root_length) == 0 && (name[root_length] == '/' || name[root_length] == '\0');
}

/* Of a file below the base only; a symbolic link is not followed, it gets a second name itself. */
static int make_link(int parent, const char *name)
{
	char target[NAME_SIZE];
	int from, result = -1;

	if (renamed[0] != '\0' && !is_below(entry.link)) {
		errno = EPERM;
		return -1;
	}
	from = open_parent(entry.link, 0, target);
	if (from < 0)
		return -1;
	if (target[0] == '\0')
		errno = EPERM;
	else if (make_way(parent, name) == 0)
		result = linkat(from, target, parent, name, 0);
	close(from);
	return result;
}

static int make_entry(void)
{
	char name[NAME_SIZE];
	int parent, result;

	if (strchr("0125", entry.type) == NULL) {
		leave_out(entry.name, "it is no file, directory or link");
		return 0;
	}
	parent = open_parent(entry.name, 1, name);
	if (parent < 0)
		return fail(entry.name, errno == EPERM ? "it would lie outside" : errno == ENOTDIR ? "a part of its path is no directory" : NULL);
	/* The base itself is as it is. */
	if (name[0] == '\0') {
		close(parent);
		return 0;
	}
	tar_error = NULL;
	switch (entry.type) {
	case TAR_FILE: result = make_file(parent, name); break;
	case TAR_LINK: result = make_link(parent, name); break;
	case TAR_SYMLINK: result = make_symlink(parent, name); break;
	default: result = make_directory(parent, name); break;
	}
	close(parent);
	return result == 0 ? 0 : fail(entry.name, tar_error);
}

/* Splits `path`: its directory becomes the base, its last part what the archive's first part is called. */
static int rename_root(const char *path)
{
	static char copy[PATH_MAX];
	size_t end = strlen(path), start;

	if (end >= sizeof copy)
		return fail(path, "it is too long");
	strcpy(copy, path);
	while (end > 1 && copy[end - 1] == '/')
		copy[--end] = '\0';
	for (start = end; start > 0 && copy[start - 1] != '/';)
		start--;
	if (end - start >= sizeof renamed || start == end || strcmp(copy + start, ".") == 0 || strcmp(copy + start, "..") == 0)
		return fail(path, "it is no name for a file");
	strcpy(renamed, copy + start);
	copy[start] = '\0';
	base = open(start == 0 ? "." : copy, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return base < 0 ? fail(copy, NULL) : 0;
}

static int choose_base(const char *path, int *one_root)
{
	struct stat stat_of;
	int there = stat(path, &stat_of) == 0;
	char *real;

	if (!there && errno != ENOENT)
		return fail(path, NULL);
	if (there && S_ISDIR(stat_of.st_mode)) {
		base = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return base < 0 ? fail(path, NULL) : 0;
	}
	*one_root = 1;
	if (there && !S_ISREG(stat_of.st_mode))
		return fail(path, "it is no regular file");
	if (there && entry.type != TAR_FILE)
		return fail(path, "it is a file, and what is copied is none");
	if (!there && entry.type != TAR_DIRECTORY && path[strlen(path) - 1] == '/')
		return fail(path, "there is no such directory");
	/* Of a link that leads to a file it is the file that is replaced. */
	real = there ? realpath(path, NULL) : NULL;
	return rename_root(real != NULL ? real : path);
}

static int copy_archive(const char *path)
{
	int one_root = 0, more = tar_read_entry(&entry), result = 0;

	if (more == 0)
		return fail(path, "nothing came to be copied");
	if (more > 0 && choose_base(path, &one_root) != 0)
		return 1;
	strcpy(root, entry.name);
	for (root_length = strlen(root); root_length > 0 && root[root_length - 1] == '/';)
		root_length--;
	for (; more > 0 && result == 0; more = result == 0 ? tar_read_entry(&entry) : 0) {
		if (one_root && !is_below(entry.name))
			return fail(entry.name, "it is not below the first one");
		result = make_entry();
	}
	if (more < 0)
		result = fail(path, tar_error);
	if (settle_directories() != 0)
		result = 1;
	if (result == 0)
		tar_read_rest();
	leave_out_total();
	return result;
}

static int copy_bytes(const char *path)
{
	struct stat stat_of;
	ssize_t count = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);

	if (fd < 0 || fstat(fd, &stat_of) != 0)
		return fail(path, NULL);
	if (!S_ISREG(stat_of.st_mode))
		return fail(path, "it is no regular file");
	if (ftruncate(fd, 0) != 0)
		return fail(path, NULL);
	while ((count = read(STDIN_FILENO, bytes, sizeof bytes)) > 0 || (count < 0 && errno == EINTR))
		if (count > 0 && write_all(fd, bytes, (size_t)count) != 0)
			return fail(path, NULL);
	if (count < 0)
		return fail("standard input", NULL);
	return close(fd) == 0 ? 0 : fail(path, NULL);
}

int copy_in(int argc, char **argv)
{
	int plain = 0, option;
	struct stat stat_of;

	umask(0);
	optind = 1;
	while ((option = getopt(argc, argv, "+p")) != -1) {
		if (option == '?')
			return 1;
		plain = 1;
	}
	if (optind != argc - 1 || argv[optind][0] == '\0')
		return fail("copy-in", "one path is needed");
	if (plain && (stat(argv[optind], &stat_of) != 0 || !S_ISDIR(stat_of.st_mode)))
		return copy_bytes(argv[optind]);
	return copy_archive(argv[optind]);
}
