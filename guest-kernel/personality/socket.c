/*
 * ICMP sockets (icmp(7), raw(7)). A raw one sees every ICMP packet with its IP header; a datagram one sends echo requests
 * under an identifier of its own and sees the answers to them. Each keeps a few packets that nobody has read yet, and
 * drops what comes when they are full, as Linux does when its buffer is.
 */
#include "socket.h"
#include <asm/poll.h>

#include "heap.h"
#include "signal.h"
#include "../net/wire.h"

#define PACKETS 16u /* a power of two */
#define PACKET_BYTES 2048u

struct packet {
  uint16_t length;
  uint8_t bytes[PACKET_BYTES - sizeof(uint16_t)];
};

struct socket {
  int type;
  uint32_t peer;
  uint16_t id; /* of the echo requests of a datagram socket */
  uint32_t first, count;
  struct packet *packets;
  struct socket *next;
};
static struct socket *sockets;
static bool news;

struct inode *socket_new(int type) {
  static uint16_t next_id;
  struct socket *socket = heap_alloc(sizeof *socket);
  struct packet *packets = heap_alloc(PACKETS * sizeof *packets);
  struct inode *inode = inode_new(S_IFSOCK | 0777);
  if (!socket || !packets || !inode) {
    if (inode) inode_release(inode);
    if (packets) heap_free(packets, PACKETS * sizeof *packets);
    if (socket) heap_free(socket, sizeof *socket);
    return NULL;
  }
  *socket = (struct socket){.type = type, .id = ++next_id, .packets = packets, .next = sockets};
  sockets = socket;
  inode->ops = &socket_ops;
  inode->socket = socket;
  return inode;
}

void socket_free(struct socket *socket) {
  struct socket **link = &sockets;
  while (*link != socket) link = &(*link)->next;
  *link = socket->next;
  heap_free(socket->packets, PACKETS * sizeof *socket->packets);
  heap_free(socket, sizeof *socket);
}

void socket_connect(struct file *file, uint32_t peer) { file->inode->socket->peer = peer; }

bool socket_news(void) {
  bool any = news;
  news = false;
  return any;
}

bool personality_packet_news(void) { return news; }

/* --- in: the platform has checked the lengths in the IP header --- */

static size_t ip_header_bytes(const uint8_t *packet) { return (packet[0] & 15u) * 4u; }

static uint32_t source_of(const uint8_t *packet) {
  struct ipv4 header;
  memcpy(&header, packet, sizeof header);
  return header.source;
}

static bool is_for(const struct socket *socket, const uint8_t *packet, size_t length) {
  struct icmp icmp;
  if (socket->peer && socket->peer != source_of(packet)) return false;
  if (socket->type == SOCK_RAW) return true;
  if (length - ip_header_bytes(packet) < sizeof icmp) return false;
  memcpy(&icmp, packet + ip_header_bytes(packet), sizeof icmp);
  return icmp.type == ICMP_ECHO_REPLY && icmp.id == big16(socket->id);
}

void personality_packet_arrived(const uint8_t *bytes, size_t length) {
  for (struct socket *socket = sockets; socket; socket = socket->next) {
    if (!is_for(socket, bytes, length) || socket->count == PACKETS || length > sizeof socket->packets->bytes) continue;
    struct packet *packet = &socket->packets[(socket->first + socket->count++) % PACKETS];
    packet->length = (uint16_t)length;
    memcpy(packet->bytes, bytes, length);
    news = true;
  }
}

ssize_t socket_receive(struct file *file, void *bytes, size_t count, bool wait, uint32_t *from, size_t *whole) {
  struct socket *socket = file->inode->socket;
  for (;;) {
    socket_news();
    if (socket->count) break;
    if (!wait || file->flags & O_NONBLOCK) return -EAGAIN;
    if (signal_sleep(UINT64_MAX, WAKE_PACKET)) return -ERESTARTSYS;
  }
  const struct packet *packet = &socket->packets[socket->first];
  size_t skipped = socket->type == SOCK_RAW ? 0 : ip_header_bytes(packet->bytes);
  *from = source_of(packet->bytes);
  *whole = packet->length - skipped;
  count = min_size(count, *whole);
  memcpy(bytes, packet->bytes + skipped, count);
  socket->first = (socket->first + 1) % PACKETS;
  socket->count--;
  return (ssize_t)count;
}

/* --- out --- */

ssize_t socket_send(struct file *file, const void *bytes, size_t count, uint32_t to) {
  uint8_t message[PACKET_BYTES];
  struct socket *socket = file->inode->socket;
  struct icmp header;
  if (!to) to = socket->peer;
  if (!to) return -EDESTADDRREQ;
  if (count > sizeof message) return -EMSGSIZE;
  memcpy(message, bytes, count);
  if (socket->type == SOCK_DGRAM) {
    if (count < sizeof header) return -EINVAL;
    memcpy(&header, message, sizeof header);
    if (header.type != ICMP_ECHO || header.code) return -EINVAL;
    header.id = big16(socket->id);
    header.checksum = 0;
    memcpy(message, &header, sizeof header);
    header.checksum = checksum(message, count);
    memcpy(message, &header, sizeof header);
  }
  int error = platform_packet_send(to, IPV4_ICMP, 0, message, count);
  return error ? error : (ssize_t)count;
}

/* --- as a file --- */

static ssize_t socket_read(struct file *file, void *bytes, size_t count, uint64_t offset) {
  uint32_t from;
  size_t whole;
  (void)offset;
  if (!count) return 0;
  return socket_receive(file, bytes, count, true, &from, &whole);
}

static ssize_t socket_write(struct file *file, const void *bytes, size_t count, uint64_t offset) {
  (void)offset;
  return socket_send(file, bytes, count, 0);
}

static unsigned socket_poll(struct file *file) {
  return POLLOUT | POLLWRNORM | (file->inode->socket->count ? POLLIN | POLLRDNORM : 0);
}

const struct file_ops socket_ops = {.read = socket_read, .write = socket_write, .poll = socket_poll};
