/* The one connection to the host: frames in, frames out. Who connects when is docs/agent-protocol.md's first section. */
#ifndef LINK_H
#define LINK_H

#include <poll.h>
#include <stdbool.h>

#include "outgoing.h"
#include "protocol.h"

/* Listens on the vsock port from now on, before any program could. @returns an errno, or 0 */
int link_listen_vsock(void);
/* The same for tests, on a Unix socket. */
int link_listen_unix(const char *path);
/* To the host's port. A host that does not listen connects to ours later. */
void link_connect_host(void);

bool link_is_up(void);
/* What to wait for: at most two entries, always the same two. */
void link_poll(struct pollfd fds[2]);
/* Sends what there is, accepts, and hands out what came in. The connection may be gone, or another one, afterwards. */
void link_serve(const struct pollfd fds[2]);
void link_flush(void);

#endif
