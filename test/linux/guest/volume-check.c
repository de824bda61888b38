/*
 * What a program does with files, in directories of the host that are shared with its microVM:
 *
 *   volume-check WRITABLE READ-ONLY FILE ENTRIES BYTES CHECKSUM
 *
 * says PASS or FAIL about each thing, with the errno, and ends with the number of failures. The host lays the files out
 * and looks at what became of them (test/microvm/volumes.test.ts).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;
static char block[128 * 1024];

static void check(const char *what, int holds)
{
	if (holds) {
		printf("PASS %s\n", what);
	} else {
		printf("FAIL %s (errno %d: %s)\n", what, errno, strerror(errno));
		failures++;
	}
	fflush(stdout);
	errno = 0;
}

/* FNV-1a */
static uint32_t digest(uint32_t sum, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sum = (sum ^ (unsigned char)bytes[i]) * 16777619u;
	return sum;
}

static int refused(int result, int expected)
{
	return result < 0 && errno == expected;
}

static int holds_text(const char *path, const char *text)
{
	char found[64] = "";
	int fd = open(path, O_RDONLY);
	ssize_t length = read(fd, found, sizeof found - 1);

	close(fd);
	return length == (ssize_t)strlen(text) && memcmp(found, text, strlen(text)) == 0;
}

static void reads_and_writes(void)
{
	struct stat status;
	int fd = open("new", O_RDWR | O_CREAT | O_EXCL, 0640);

	check("create and write", fd >= 0 && write(fd, "one\n", 4) == 4);
	check("read back", pread(fd, block, 10, 0) == 4 && memcmp(block, "one\n", 4) == 0);
	close(fd);
	fd = open("new", O_WRONLY | O_APPEND);
	check("append", write(fd, "two\n", 4) == 4 && close(fd) == 0 && holds_text("new", "one\ntwo\n"));
	check("create what is there", refused(open("new", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST));
	check("its mode and size", stat("new", &status) == 0 && (status.st_mode & 07777) == 0640 && status.st_size == 8);
	fd = open("new", O_RDWR);
	check("truncate", ftruncate(fd, 3) == 0 && fstat(fd, &status) == 0 && status.st_size == 3);
	check("flush", fsync(fd) == 0 && fdatasync(fd) == 0);
	check("lock", flock(fd, LOCK_EX) == 0 && flock(fd, LOCK_UN) == 0);
	close(fd);
}

static void names(void)
{
	struct stat status;

	check("mkdir", mkdir("folder", 0751) == 0 && stat("folder", &status) == 0 && (status.st_mode & 07777) == 0751);
	check("rename into it", rename("new", "folder/moved") == 0 && refused(access("new", F_OK), ENOENT));
	check("rename a directory", rename("folder", "renamed") == 0 && holds_text("renamed/moved", "one"));
	check("rmdir of a full one", refused(rmdir("renamed"), ENOTEMPTY));
	check("hard link", link("renamed/moved", "second") == 0 && stat("second", &status) == 0 && status.st_nlink == 2);
	check("unlink", unlink("renamed/moved") == 0 && rmdir("renamed") == 0 && holds_text("second", "one"));
	check("symbolic link", symlink("second", "link") == 0 && holds_text("link", "one"));
	check("what it says", readlink("link", block, 64) == 6 && memcmp(block, "second", 6) == 0);
	/* Links lead where they do in the guest: the host's secret is not there. */
	check("a link that leads out of the share", refused(open("escape", O_RDONLY), ENOENT));
	check("mkfifo", refused(mkfifo("fifo", 0600), EPERM));
	check("a device", refused(mknod("device", S_IFCHR | 0600, 0x103), EPERM));
}

static void attributes(void)
{
	/* v9fs keeps whole seconds. */
	struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	struct statfs facts;
	struct stat status;

	check("chmod", chmod("second", 0604) == 0 && stat("second", &status) == 0 && (status.st_mode & 07777) == 0604);
	chmod("second", 04755);
	check("set-user-ID is not kept", stat("second", &status) == 0 && (status.st_mode & 07777) == 0755);
	check("times", utimensat(AT_FDCWD, "second", times, 0) == 0 && stat("second", &status) == 0 &&
		status.st_mtim.tv_sec == 2000);
	check("statfs", statfs(".", &facts) == 0 && facts.f_blocks > 0 && facts.f_type == 0x01021997);
}

static void deletion_while_open(void)
{
	struct stat status;
	int fd = open("doomed", O_RDWR | O_CREAT, 0600);

	check("write before the end", write(fd, "still here", 10) == 10 && unlink("doomed") == 0);
	check("read after it", pread(fd, block, 20, 0) == 10 && memcmp(block, "still here", 10) == 0);
	check("write after it", pwrite(fd, "!", 1, 10) == 1 && fstat(fd, &status) == 0 && status.st_size == 11);
	close(fd);
	check("its name is gone", refused(access("doomed", F_OK), ENOENT));
}

static void many_entries(long expected)
{
	DIR *directory = opendir("many");
	long seen = 0;

	while (directory != NULL && readdir(directory) != NULL)
		seen++;
	check("every entry of a large directory, once", seen == expected + 2);
	if (directory != NULL)
		closedir(directory);
}

static void large_file(long bytes, uint32_t expected)
{
	uint32_t sum = 2166136261u;
	int fd = open("large", O_RDWR);
	ssize_t got;
	long total = 0;
	char *mapped;

	while ((got = read(fd, block, sizeof block)) > 0) {
		sum = digest(sum, block, got);
		total += got;
	}
	check("digest of a large file", total == bytes && sum == expected);
	mapped = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	check("the same where it is mapped", mapped != MAP_FAILED && digest(2166136261u, mapped, bytes) == expected);
	munmap(mapped, bytes);
	mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check("map for writing", mapped != MAP_FAILED);
	if (mapped != MAP_FAILED) {
		memcpy(mapped, "mapped", 6);
		check("msync", msync(mapped, 4096, MS_SYNC) == 0);
		munmap(mapped, 4096);
	}
	check("what was written so is in the file", pread(fd, block, 6, 0) == 6 && memcmp(block, "mapped", 6) == 0);
	close(fd);
}

static void read_only(const char *share)
{
	check("enter the read-only share", chdir(share) == 0 && holds_text("text", "for reading"));
	check("open for writing", refused(open("text", O_WRONLY), EROFS));
	check("create there", refused(open("new", O_CREAT | O_WRONLY, 0600), EROFS));
	check("mkdir there", refused(mkdir("new", 0700), EROFS));
	check("unlink there", refused(unlink("text"), EROFS));
	check("chmod there", refused(chmod("text", 0600), EROFS));
}

/* A program in the share: this one, which ends with 7 when it is told nothing. */
static void runs(void)
{
	int status = 0;
	pid_t child = vfork();

	if (child == 0) {
		execl("./program", "program", (char *)NULL);
		_exit(1);
	}
	check("run a program in it", waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(int argc, char **argv)
{
	if (argc < 7)
		return 7;
	check("enter the share", chdir(argv[1]) == 0);
	reads_and_writes();
	names();
	attributes();
	deletion_while_open();
	many_entries(atol(argv[4]));
	large_file(atol(argv[5]), strtoul(argv[6], NULL, 10));
	runs();
	read_only(argv[2]);
	check("a single file", holds_text(argv[3], "a=1"));
	check("write it", truncate(argv[3], 0) == 0);
	check("not over it", refused(rename(argv[3], "/elsewhere"), EBUSY));
	return failures;
}
