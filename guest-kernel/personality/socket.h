/* Sockets: ICMP over IPv4 and nothing else yet, enough for ping. */
#ifndef PERSONALITY_SOCKET_H
#define PERSONALITY_SOCKET_H

#include "file.h"

/* As the C libraries have them; Linux exports no header with them. */
#define AF_UNSPEC 0
#define AF_INET 2
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_TYPE 0xf
#define SOCK_CLOEXEC O_CLOEXEC
#define SOCK_NONBLOCK O_NONBLOCK

struct socket;

/* An inode for a new socket of this type, or NULL. */
struct inode *socket_new(int type);
void socket_free(struct socket *socket);

/* Addresses are as on the wire. `to` 0: where the socket is connected to. Count, or a negative errno. */
ssize_t socket_send(struct file *file, const void *bytes, size_t count, uint32_t to);
/* The next packet, cut to `count`; *whole is its length. Waits unless told otherwise. */
ssize_t socket_receive(struct file *file, void *bytes, size_t count, bool wait, uint32_t *from, size_t *whole);
/* Packets go to and come from this address only; 0: any. */
void socket_connect(struct file *file, uint32_t peer);

/* Whether a packet came for some socket since this was asked last: who wants to sleep for one asks, looks, and sleeps. */
bool socket_news(void);

#endif
