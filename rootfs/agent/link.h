/* The one connection to the host: frames in, frames out. Who connects when is docs/agent-protocol.md's first section. */
#ifndef LINK_H
#define LINK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/* What any frame of the agent but output takes at most. */
enum { ANSWER_MAX = 2048 };

/* Listens on the vsock port from now on, before any program could. @returns an errno, or 0 */
int link_listen_vsock(void);
/* The same for tests, on a Unix socket. */
int link_listen_unix(const char *path);
/* To the host's port. A host that does not listen connects to ours later. */
void link_connect_host(void);

bool link_is_up(void);
/* Room for that many bytes of frames, headers included. */
bool link_has_room(size_t bytes);
/*
 * A frame is begun, given its parts, and ended; the caller has seen to room. Without a connection it goes nowhere.
 * For output the bytes are read straight into it: frame_space says where, and how many fit so that
 * `spare` bytes stay free.
 */
void frame_begin(uint16_t type, uint16_t session);
void frame_u16(uint16_t value);
void frame_u32(uint32_t value);
void frame_text(const char *text);
uint8_t *frame_space(size_t spare, size_t *most);
void frame_took(size_t bytes);
void frame_end(void);
void frame_drop(void);

/* What to wait for: at most two entries, always the same two. */
void link_poll(struct pollfd fds[2]);
/* Sends what there is, accepts, and hands out what came in. The connection may be gone, or another one, afterwards. */
void link_serve(const struct pollfd fds[2]);
void link_flush(void);

#endif
