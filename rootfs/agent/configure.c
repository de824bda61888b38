#include "configure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"
#include "files.h"
#include "mounts.h"
#include "network.h"
#include "protocol.h"
#include "root.h"

/* include/uapi/linux/random.h */
#define RNDADDENTROPY _IOW('R', 0x03, int[2])
#define RNDRESEEDCRNG _IO('R', 0x07)

/* Each reads all of its item, and only then does it. @returns an errno, or 0 */
typedef int step(struct reader *item, char *what);

static bool is_test(void)
{
	return getpid() != 1;
}

static int set_clock(struct reader *item, char *what)
{
	struct timespec time;

	time.tv_sec = (time_t)read_u64(item);
	time.tv_nsec = read_u32(item);
	strcpy(what, "the clock");
	if (!read_whole(item) || is_test())
		return 0;
	return clock_settime(CLOCK_REALTIME, &time) < 0 ? errno : 0;
}

/* Credited, and then the generator begins anew with it: a clone must not go on with what its origin had. random(4) */
static int add_entropy(struct reader *item, char *what)
{
	struct {
		int bits, size;
		uint8_t bytes[ENTROPY_MAX];
	} pool = { .bits = (int)left(item) * 8, .size = (int)left(item) };
	int fd, error;

	strcpy(what, "entropy");
	if (left(item) > sizeof pool.bytes || left(item) == 0) {
		item->bad = true;
		return 0;
	}
	memcpy(pool.bytes, item->at, left(item));
	read_bytes(item, left(item));
	if (is_test())
		return 0;
	fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	error = ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0 ? errno : 0;
	explicit_bzero(&pool, sizeof pool);
	close(fd);
	return error;
}

static int set_hostname(struct reader *item, char *what)
{
	const char *name = read_text(item);

	strcpy(what, "the host name");
	if (!read_whole(item) || is_test())
		return 0;
	return sethostname(name, strlen(name)) < 0 ? errno : 0;
}

static int set_loopback(struct reader *item, char *what)
{
	strcpy(what, "the loopback interface");
	return !read_whole(item) || is_test() ? 0 : network_loopback();
}

static int set_network(struct reader *item, char *what)
{
	const char *name = read_text(item);
	const uint8_t *mac = read_bytes(item, 6), *address = read_bytes(item, 4), *gateway = read_bytes(item, 4);
	uint16_t prefix = read_u16(item);

	strcpy(what, "the network");
	item->bad |= prefix > 32;
	return !read_whole(item) || is_test() ? 0 : network_set(name, mac, address, gateway, prefix, what);
}

static int set_root(struct reader *item, char *what)
{
	struct root root;

	root.bytes = read_u64(item);
	root.device = read_text(item);
	root.serial = read_text(item);
	root.type = read_text(item);
	root.scratch = read_text(item);
	root.scratch_type = read_text(item);
	strcpy(what, "the root");
	return !read_whole(item) || is_test() ? 0 : root_enter(&root, what);
}

static int set_disk(struct reader *item, char *what)
{
	uint64_t bytes = read_u64(item);
	const char *name = read_text(item);

	snprintf(what, WHAT_MAX, "the disk %s", name);
	return !read_whole(item) || is_test() ? 0 : disk_look_anew(name, bytes);
}

static int set_share(struct reader *item, char *what)
{
	uint16_t flags = read_u16(item);
	struct share share = { .read_only = flags & SHARE_READ_ONLY };

	share.tag = read_text(item);
	share.target = read_text(item);
	share.options = read_text(item);
	share.file = read_text(item);
	snprintf(what, WHAT_MAX, "the share at %s", share.target);
	item->bad |= flags & ~SHARE_READ_ONLY;
	if (!read_whole(item) || is_test())
		return 0;
	if (!share.read_only)
		mounts_lasting();
	return files_mount_share(&share);
}

static int set_file(struct reader *item, char *what)
{
	uint16_t flags = read_u16(item), mode = read_u16(item);
	const char *path = read_text(item);
	struct reader bytes = read_part(item, left(item));
	int error;

	snprintf(what, WHAT_MAX, "the file %s", path);
	item->bad |= flags & ~(FILE_IF_ABSENT | FILE_IF_POSSIBLE) || mode & ~07777;
	if (!read_whole(item) || is_test())
		return 0;
	error = files_write(path, mode, flags & FILE_IF_ABSENT, bytes.at, left(&bytes));
	return flags & FILE_IF_POSSIBLE ? 0 : error;
}

/* Whoever goes on from here finds the file in memory. One that cannot be read is nobody's loss. */
static int prefetch(struct reader *item, char *what)
{
	const char *path = read_text(item);

	snprintf(what, WHAT_MAX, "reading %s", path);
	if (read_whole(item) && !is_test())
		files_prefetch(path);
	return 0;
}

static step *const steps[] = {
	[ITEM_CLOCK] = set_clock,
	[ITEM_ENTROPY] = add_entropy,
	[ITEM_HOSTNAME] = set_hostname,
	[ITEM_LOOPBACK] = set_loopback,
	[ITEM_NETWORK] = set_network,
	[ITEM_ROOT] = set_root,
	[ITEM_SHARE] = set_share,
	[ITEM_FILE] = set_file,
	[ITEM_DISK] = set_disk,
	[ITEM_PREFETCH] = prefetch,
};

bool configure(struct reader *items, struct failure *failure)
{
	while (!items->bad && items->at < items->end && failure->error == 0) {
		uint16_t kind = read_u16(items);
		struct reader item = read_part(items, read_u32(items));

		if (items->bad || kind >= sizeof steps / sizeof *steps || steps[kind] == NULL)
			return false;
		failure->error = steps[kind](&item, failure->what);
		if (!read_whole(&item))
			return false;
	}
	mounts_expected();
	if (failure->error == 0)
		failure->what[0] = '\0';
	return !items->bad;
}
