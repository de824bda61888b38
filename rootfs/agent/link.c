#include "link.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dispatch.h"
#include "say.h"
#include "wire.h"

/* include/uapi/linux/vm_sockets.h */
struct sockaddr_vm {
	uint16_t family, reserved;
	uint32_t port, cid;
	uint8_t zero[4];
};

enum {
	HOST_CID = 2,
	ANY_CID = 0xffffffffu,
	IN_SIZE = HEADER_SIZE + FRAME_MAX,
};

static int listener = -1, connection = -1;
static bool only_host;

static uint8_t *in;
static size_t in_size, in_length;

static int listen_at(int family, const void *address, socklen_t size)
{
	listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, address, size) < 0 || listen(listener, 1) < 0)
		return errno;
	return 0;
}

int link_listen_vsock(void)
{
	struct sockaddr_vm address = { .family = AF_VSOCK, .port = AGENT_PORT, .cid = ANY_CID };

	only_host = true;
	return listen_at(AF_VSOCK, &address, sizeof address);
}

int link_listen_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof address.sun_path)
		return ENAMETOOLONG;
	strcpy(address.sun_path, path);
	unlink(path);
	return listen_at(AF_UNIX, &address, sizeof address);
}

static void begin(int fd)
{
	connection = fd;
	outgoing_clear();
	in_length = 0;
	say_hello();
}

void link_connect_host(void)
{
	struct sockaddr_vm address = { .family = AF_VSOCK, .port = AGENT_PORT, .cid = HOST_CID };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		/* The kernel speaks vsock, and the machine has no such device: under QEMU without one. */
		if (errno == ENODEV)
			give_up("there is no vsock device to reach the host by", 0);
		say("nobody at the host's port: waiting for the host", errno);
		close(fd);
		return;
	}
	begin(fd);
}

bool link_is_up(void)
{
	return connection >= 0;
}

static void lose(void)
{
	close(connection);
	connection = -1;
	outgoing_clear();
	in_length = 0;
	connection_lost();
}

void link_flush(void)
{
	if (connection >= 0 && !outgoing_send(connection))
		lose();
}

/* How large a frame of the host may be. */
static size_t longest(uint16_t type)
{
	return type == FRAME_START ? START_MAX : FRAME_MAX;
}

static bool make_space(size_t size)
{
	if (in_size == size)
		return true;
	uint8_t *space = realloc(in, size);

	if (space != NULL) {
		in = space;
		in_size = size;
	}
	return space != NULL;
}

/* A long frame gets the space it needs, and gives it back. One that is too long is refused when its turn comes. */
static size_t space_wanted(void)
{
	size_t length = in_length >= HEADER_SIZE ? load_u32(in) : 0;

	return length > FRAME_MAX && length <= longest(load_u16(in + 4)) ? HEADER_SIZE + length : IN_SIZE;
}

/* Hands out the whole frames, as long as an answer has room. @returns whether the host keeps to the protocol */
static bool hand_out(void)
{
	size_t done = 0;
	bool good = true;

	while (good && connection >= 0 && in_length - done >= HEADER_SIZE && outgoing_has_room(ANSWER_MAX)) {
		const uint8_t *header = in + done;
		size_t length = load_u32(header);
		uint16_t type = load_u16(header + 4);

		if (length > longest(type)) {
			good = false;
		} else if (in_length - done - HEADER_SIZE < length) {
			break;
		} else {
			struct reader payload = { .at = header + HEADER_SIZE, .end = header + HEADER_SIZE + length };

			good = handle_frame(type, load_u16(header + 6), payload);
			done += HEADER_SIZE + length;
		}
	}
	if (!good || connection < 0)
		return good;
	memmove(in, in + done, in_length - done);
	in_length -= done;
	return make_space(in_length <= IN_SIZE ? space_wanted() : in_size);
}

static void receive(void)
{
	ssize_t count = recv(connection, in + in_length, in_size - in_length, MSG_DONTWAIT);

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		lose();
		return;
	}
	in_length += (size_t)count;
}

static void take_connection(void)
{
	union {
		struct sockaddr any;
		struct sockaddr_vm vsock;
		struct sockaddr_un local;
	} peer;
	socklen_t size = sizeof peer;
	int fd = accept4(listener, &peer.any, &size, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	/* Where there is a loopback for vsock, a program of the guest could come this way. */
	if (only_host && (peer.any.sa_family != AF_VSOCK || peer.vsock.cid != HOST_CID)) {
		close(fd);
		return;
	}
	begin(fd);
	link_flush();
	/* A worker of the kernel sends it. What the host asks for may be there already, and would take the processor first. */
	sched_yield();
}

void link_poll(struct pollfd fds[2])
{
	bool takes = in_length < in_size || in_size == 0;

	fds[0] = (struct pollfd){ .fd = connection < 0 ? listener : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = connection,
		.events = (short)((takes && outgoing_has_room(ANSWER_MAX) ? POLLIN : 0) | (outgoing_waits() ? POLLOUT : 0)) };
}

void link_serve(const struct pollfd fds[2])
{
	if (connection < 0 && fds[0].revents != 0) {
		take_connection();
		return;
	}
	if (connection < 0 || !make_space(in_size == 0 ? IN_SIZE : in_size))
		return;
	if (fds[1].revents & (POLLIN | POLLHUP | POLLERR) && in_length < in_size)
		receive();
	if (connection >= 0 && !hand_out()) {
		say("the host sent a frame that cannot be: connection closed", 0);
		if (connection >= 0)
			lose();
	}
}
