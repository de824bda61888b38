#include "outgoing.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "link.h"
#include "wire.h"

enum {
	OUT_SIZE = 2 * FRAME_MAX,
	/* What a kernel that is short of memory can still send: the whole packet is one piece of its memory. */
	LEAST_PACKET = 2048,
	/* Until it may have found some. */
	SHORTAGE_MS = 10,
};

static uint8_t out[OUT_SIZE];
static size_t out_start, out_end, frame_at;

bool outgoing_has_room(size_t bytes)
{
	return OUT_SIZE - (out_end - out_start) >= bytes;
}

void frame_begin(uint16_t type, uint16_t session)
{
	if (out_start > 0) {
		memmove(out, out + out_start, out_end - out_start);
		out_end -= out_start;
		out_start = 0;
	}
	frame_at = out_end;
	store_u16(out + frame_at + 4, type);
	store_u16(out + frame_at + 6, session);
	out_end += HEADER_SIZE;
}

void frame_u16(uint16_t value)
{
	store_u16(out + out_end, value);
	out_end += 2;
}

void frame_u32(uint32_t value)
{
	store_u32(out + out_end, value);
	out_end += 4;
}

void frame_text(const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(out + out_end, text, size);
	out_end += size;
}

uint8_t *frame_space(size_t spare, size_t *most)
{
	size_t room = OUT_SIZE - out_end - spare;

	*most = room < FRAME_MAX ? room : FRAME_MAX;
	return out + out_end;
}

void frame_took(size_t bytes)
{
	out_end += bytes;
}

void frame_end(void)
{
	store_u32(out + frame_at, (uint32_t)(out_end - frame_at - HEADER_SIZE));
	if (!link_is_up())
		out_end = frame_at;
}

void frame_drop(void)
{
	out_end = frame_at;
}

bool outgoing_waits(void)
{
	return out_start < out_end;
}

void outgoing_clear(void)
{
	out_start = out_end = 0;
}

bool outgoing_send(int fd)
{
	size_t most = OUT_SIZE;

	while (out_start < out_end) {
		size_t size = out_end - out_start < most ? out_end - out_start : most;
		ssize_t count = send(fd, out + out_start, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (count < 0 && errno == EAGAIN)
			return true;
		if (count < 0 && (errno == ENOMEM || errno == ENOBUFS)) {
			if (size <= LEAST_PACKET) {
				poll(NULL, 0, SHORTAGE_MS);
				return true;
			}
			most = size / 2;
			continue;
		}
		if (count < 0 && errno != EINTR)
			return false;
		out_start += count > 0 ? (size_t)count : 0;
	}
	outgoing_clear();
	return true;
}
