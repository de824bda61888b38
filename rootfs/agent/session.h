/*
 * Programs that the host started, and the bytes between them and it. A session lives from START until its EXIT is said.
 * Output is read from a program only as the host has granted; its input waits here, at most STDIN_WINDOW of it.
 */
#ifndef SESSION_H
#define SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol.h"
#include "wire.h"

/* Our end of a program's output. With a terminal, `out` alone. */
struct output {
	int fd; /* -1: it has come to its end */
	uint32_t credit;
	int64_t rest; /* what of it still counts, others may go on for ever; -1: all */
	struct pollfd *polled;
};

struct session {
	uint16_t id;    /* 0: free */
	uint16_t flags; /* enum session_flag, as started */
	pid_t pid;
	bool attached;  /* the host of this connection knows it */
	bool ended, abandoned;
	bool lingered;  /* ended so long ago that only what is there counts as its output */
	int status;     /* of wait4, once ended */
	bool out_of_memory, killed_by_host;
	int in;         /* -1: closed, or the terminal's, which is `out.fd` */
	int terminal;   /* the program's end of it, ours as well while it runs: or its last close would be a hang-up. -1: none */
	uint8_t *waiting;
	uint32_t waiting_start, waiting_end; /* what the program has not taken yet */
	uint32_t taken; /* and what it took since the last credit */
	bool in_ends;   /* nothing comes after what waits */
	struct pollfd *in_polled;
	struct output out, err;
	int64_t deadline; /* 0: none. Ended: until it has lingered; abandoned: it ends by force then */
};

/* A free one that bears this number and nothing else. @returns NULL when there are too many */
struct session *session_new(uint16_t id);
void session_free(struct session *session);
struct session *session_find(uint16_t id);
struct session *session_of_process(pid_t pid);
/* All of them, one after the other; NULL is where to begin, and the end. */
struct session *session_next(struct session *session);
int session_count(void);
uint16_t session_flags(const struct session *session);

/* Frames. @returns false when it breaks the protocol */
bool session_input(struct session *session, struct reader *bytes);
void session_input_ends(struct session *session);
bool session_grant(struct output *output, struct reader *payload);
bool session_signal(struct session *session, struct reader *payload);
bool session_resize(struct session *session, struct reader *payload);
bool session_attach(struct session *session, uint32_t out, uint32_t err);
void session_deny(uint16_t id);
/* Whoever asked for it is gone. */
void session_abandon(struct session *session);

/* Its program was collected. */
void session_ended(struct session *session, int status);

/* At most three entries. @returns how many */
int session_poll(struct session *session, struct pollfd *fds);
/* Milliseconds until something is due without any event, or -1. */
int session_due(const struct session *session);
/* Moves what can be moved. May end with the session being free. */
void session_serve(struct session *session);

int64_t now_ms(void);

#endif
