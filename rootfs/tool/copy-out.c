/* One file or one tree, to standard output. Directories are walked by descriptors, and no symbolic link in it is followed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tar.h"
#include "tool.h"

/* Each level holds a descriptor. */
#define DEPTH_MAX 500

static struct tar_entry entry;
static int status;

/* A file with several names is sent once: by device and inode, the name it was sent under. An open-addressed table. */
static struct sent {
	dev_t device;
	ino_t inode;
	char *name;
} *sent;
static size_t sent_size, sent_used;

static struct sent *slot(struct sent *table, size_t size, dev_t device, ino_t inode)
{
	size_t at = (size_t)((inode * 11400714819323198485ULL) ^ device) & (size - 1);

	while (table[at].name != NULL && (table[at].inode != inode || table[at].device != device))
		at = (at + 1) & (size - 1);
	return &table[at];
}

static int grow(void)
{
	size_t size = sent_size == 0 ? 64 : 2 * sent_size;
	struct sent *table = calloc(size, sizeof *table);

	if (table == NULL)
		return -1;
	for (size_t at = 0; at < sent_size; at++)
		if (sent[at].name != NULL)
			*slot(table, size, sent[at].device, sent[at].inode) = sent[at];
	free(sent);
	sent = table;
	sent_size = size;
	return 0;
}

/* The name that this file was sent under, or NULL: then it is under this one from now on. */
static const char *sent_as(const struct stat *stat, const char *name)
{
	struct sent *found;

	if (stat->st_nlink < 2 || (sent_used * 2 >= sent_size && grow() != 0))
		return NULL;
	found = slot(sent, sent_size, stat->st_dev, stat->st_ino);
	if (found->name != NULL)
		return found->name;
	found->name = strdup(name);
	found->device = stat->st_dev;
	found->inode = stat->st_ino;
	sent_used += found->name != NULL;
	return NULL;
}

static int broken(void)
{
	fail("standard output", tar_error);
	return -1;
}

static void describe(char type, const struct stat *stat)
{
	entry.type = type;
	entry.link[0] = '\0';
	entry.size = 0;
	entry.mode = stat->st_mode & 07777;
	entry.uid = stat->st_uid;
	entry.gid = stat->st_gid;
	entry.mtime = stat->st_mtim.tv_sec;
}

/* So many bytes as were announced, whatever happens to the file meanwhile. */
static int send_bytes(int fd, const char *name, uint64_t size)
{
	static char bytes[64 * 1024];
	uint64_t done = 0;

	while (done < size) {
		ssize_t count = read(fd, bytes, size - done < sizeof bytes ? (size_t)(size - done) : sizeof bytes);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0) {
			status = fail(name, count < 0 ? NULL : "it became shorter while it was copied");
			memset(bytes, 0, sizeof bytes);
			for (; done < size; done += (uint64_t)count) {
				count = (ssize_t)(size - done < sizeof bytes ? size - done : sizeof bytes);
				if (tar_write(bytes, (uint64_t)count) != 0)
					return broken();
			}
			break;
		}
		if (tar_write(bytes, (uint64_t)count) != 0)
			return broken();
		done += (uint64_t)count;
	}
	return tar_write_padding(size) != 0 ? broken() : 0;
}

static int send_file(int fd, const struct stat *stat)
{
	const char *same = sent_as(stat, entry.name);

	describe(same != NULL ? TAR_LINK : TAR_FILE, stat);
	if (same != NULL)
		strcpy(entry.link, same);
	else
		entry.size = (uint64_t)stat->st_size;
	if (tar_write_entry(&entry) != 0)
		return broken();
	return same != NULL ? 0 : send_bytes(fd, entry.name, entry.size);
}

static int send_symlink(int parent, const char *name, const struct stat *stat)
{
	ssize_t length;

	describe(TAR_SYMLINK, stat);
	length = readlinkat(parent, name, entry.link, sizeof entry.link - 1);
	if (length < 0) {
		status = fail(entry.name, NULL);
		return 0;
	}
	entry.link[length] = '\0';
	return tar_write_entry(&entry) != 0 ? broken() : 0;
}

static const char *kind(mode_t mode)
{
	return S_ISSOCK(mode) ? "it is a socket" : S_ISFIFO(mode) ? "it is a pipe" : "it is a device";
}

static int send_at(int parent, const char *name, int follow, int depth);

/* `length` of entry.name is this directory, without a slash. Takes the descriptor. Only a broken stream answers -1. */
static int send_directory(int fd, const struct stat *stat, int depth)
{
	size_t length = strlen(entry.name);
	struct dirent *child;
	DIR *list;
	int result = 0;

	strcpy(entry.name + length, "/");
	describe(TAR_DIRECTORY, stat);
	if (tar_write_entry(&entry) != 0)
		result = broken();
	list = result == 0 && depth < DEPTH_MAX ? fdopendir(fd) : NULL;
	if (list == NULL) {
		if (result == 0)
			status = fail(entry.name, depth < DEPTH_MAX ? NULL : "its directories lie too deep");
		close(fd);
		return result;
	}
	while (result == 0 && (errno = 0, child = readdir(list)) != NULL) {
		size_t more = strlen(child->d_name);

		if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
			continue;
		/* Room for a slash at its end. */
		if (length + 1 + more + 2 > sizeof entry.name) {
			status = fail(child->d_name, "its path is too long");
			continue;
		}
		strcpy(entry.name + length + 1, child->d_name);
		result = send_at(dirfd(list), child->d_name, 0, depth + 1);
		entry.name[length + 1] = '\0';
	}
	if (result == 0 && errno != 0)
		status = fail(entry.name, NULL);
	closedir(list);
	return result;
}

/* entry.name is what it is called in the archive. */
static int send_at(int parent, const char *name, int follow, int depth)
{
	struct stat stat;
	int fd, result;

	if (fstatat(parent, name, &stat, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
		/* One that is gone since the directory was read is no fault. */
		if (depth == 0 || errno != ENOENT)
			status = fail(depth == 0 ? name : entry.name, NULL);
		return 0;
	}
	if (S_ISLNK(stat.st_mode))
		return send_symlink(parent, name, &stat);
	if (!S_ISREG(stat.st_mode) && !S_ISDIR(stat.st_mode)) {
		if (depth == 0)
			status = fail(name, kind(stat.st_mode));
		else
			leave_out(entry.name, kind(stat.st_mode));
		return 0;
	}
	/* O_NONBLOCK: it may be a pipe by now. */
	fd = openat(parent, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW) | (S_ISDIR(stat.st_mode) ? O_DIRECTORY : 0));
	if (fd < 0 || fstat(fd, &stat) != 0) {
		status = fail(depth == 0 ? name : entry.name, NULL);
		if (fd >= 0)
			close(fd);
		return 0;
	}
	if (S_ISDIR(stat.st_mode))
		return send_directory(fd, &stat, depth);
	result = S_ISREG(stat.st_mode) ? send_file(fd, &stat) : 0;
	close(fd);
	return result;
}

/* The bytes of a file and nothing else; a directory is an archive all the same. Answers whether it was a file. */
static int send_plain(const char *path)
{
	static char bytes[64 * 1024];
	struct stat stat;
	ssize_t count;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &stat) != 0) {
		status = fail(path, NULL);
		return 1;
	}
	if (S_ISDIR(stat.st_mode)) {
		close(fd);
		return 0;
	}
	if (!S_ISREG(stat.st_mode)) {
		status = fail(path, kind(stat.st_mode));
		return 1;
	}
	while ((count = read(fd, bytes, sizeof bytes)) > 0 || (count < 0 && errno == EINTR)) {
		if (count > 0 && tar_write(bytes, (uint64_t)count) != 0) {
			status = fail("standard output", tar_error);
			return 1;
		}
	}
	if (count < 0)
		status = fail(path, NULL);
	if (tar_flush() != 0)
		status = fail("standard output", tar_error);
	close(fd);
	return 1;
}

/* The last part of the path; "." for one that ends in none of its own. */
static void name_root(const char *path)
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/';)
		start--;
	if (end == start || end - start >= sizeof entry.name - 2 || (end - start == 2 && memcmp(path + start, "..", 2) == 0))
		strcpy(entry.name, ".");
	else
		snprintf(entry.name, sizeof entry.name, "%.*s", (int)(end - start), path + start);
}

int copy_out(int argc, char **argv)
{
	int follow = 0, plain = 0, option;

	status = 0;
	entry.type = '\0';
	optind = 1;
	while ((option = getopt(argc, argv, "+Lp")) != -1) {
		if (option == '?')
			return 1;
		follow |= option == 'L';
		plain |= option == 'p';
	}
	if (optind != argc - 1)
		return fail("copy-out", "one path is needed");
	/* A link is followed to its bytes: it has none of its own. */
	if (plain && send_plain(argv[optind]))
		return status;
	name_root(argv[optind]);
	if (send_at(AT_FDCWD, argv[optind], follow || plain, 0) != 0)
		return 1;
	/* Nothing at all rather than an empty archive. */
	if (entry.type == '\0')
		return status;
	if (tar_write_end() != 0)
		return fail("standard output", tar_error);
	leave_out_total();
	return status;
}
