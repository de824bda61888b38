/* The network: the address on the command line, ARP, echo, and the sockets of a program. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "../../net/stack.h"

/* --- the wire of these tests --- */

static uint8_t wire[16][FRAME_MAX];
static size_t wire_lengths[16];
static unsigned wire_count;

static void transmit(const void *frame, size_t length) {
  CHECK(length <= FRAME_MAX);
  memcpy(wire[wire_count % 16], frame, length);
  wire_lengths[wire_count++ % 16] = length;
}

static const uint8_t our_mac[MAC_BYTES] = {2, 0, 0, 0, 0, 1}, their_mac[MAC_BYTES] = {2, 0, 0, 0, 0, 9};
static const uint8_t everyone[MAC_BYTES] = {255, 255, 255, 255, 255, 255};

static void plug_in(void) {
  net_link = (struct net_link){.transmit = transmit, .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
  CHECK(net_settings_parse("10.77.0.2::10.77.0.1:255.255.255.0:box:eth0:off -- more", &net_settings));
}

/* Frames as their headers lie one behind the other. */
struct arp_frame {
  struct ethernet ethernet;
  struct arp arp;
} __attribute__((packed));
struct echo_frame {
  struct ethernet ethernet;
  struct ipv4 ip;
  struct icmp icmp;
  uint8_t data[56];
} __attribute__((packed));

static struct arp_frame arp_frame(uint16_t operation, const char *sender, const char *target) {
  struct arp_frame frame = {.ethernet = {.type = big16(ETHERNET_ARP)},
                            .arp = {big16(1), big16(0x800), 6, 4, big16(operation), {0}, inet_addr(sender), {0}, inet_addr(target)}};
  memcpy(frame.ethernet.to, everyone, 6);
  memcpy(frame.ethernet.from, their_mac, 6);
  memcpy(frame.arp.sender_mac, their_mac, 6);
  return frame;
}

static void seal(struct echo_frame *frame) {
  frame->ip.checksum = frame->icmp.checksum = 0;
  frame->ip.checksum = checksum(&frame->ip, sizeof frame->ip);
  frame->icmp.checksum = checksum(&frame->icmp, sizeof frame->icmp + sizeof frame->data);
}

static struct echo_frame echo_frame(uint8_t type, uint16_t id, const char *from) {
  struct echo_frame frame = {
    .ethernet = {.type = big16(ETHERNET_IPV4)},
    .ip = {.version_words = 0x45, .length = big16(sizeof frame - sizeof frame.ethernet), .hops = 64, .protocol = IPV4_ICMP,
           .source = inet_addr(from), .destination = inet_addr("10.77.0.2")},
    .icmp = {.type = type, .id = big16(id), .sequence = big16(3)},
    .data = "what they sent",
  };
  memcpy(frame.ethernet.to, our_mac, 6);
  memcpy(frame.ethernet.from, their_mac, 6);
  seal(&frame);
  return frame;
}

/* On the heap and no byte longer, for the sanitizer. */
static void arrive(const void *frame, size_t length) {
  uint8_t *copy = malloc(length ? length : 1);
  memcpy(copy, frame, length);
  net_frame_arrived(copy, length);
  free(copy);
}

static void introduce(const char *address) {
  struct arp_frame hello = arp_frame(ARP_REQUEST, address, "10.77.0.2");
  arrive(&hello, sizeof hello);
}

/* --- ip= --- */

static void reads_the_address(void) {
  struct net_settings read;
  CHECK(net_settings_parse("10.77.0.2::10.77.0.1:255.255.255.0:box:eth0:off quiet", &read));
  CHECK(read.address == inet_addr("10.77.0.2") && read.gateway == inet_addr("10.77.0.1") && read.netmask == inet_addr("255.255.255.0"));
  CHECK(net_settings_parse("192.168.1.9", &read) && read.netmask == inet_addr("255.255.255.0") && !read.gateway);
  CHECK(net_settings_parse("10.1.2.3:1.2.3.4::255.255.0.0", &read) && read.netmask == inet_addr("255.255.0.0"));
  CHECK(net_settings_parse("off", &read) && !read.address);
}

static void refuses_other_addresses(void) {
  static const char *const wrong[] = {
    "", ":", "dhcp", "10.0.0", "10.0.0.1.2", "10.0.0.256", "10.0.0.0001", "10..0.1", "a.b.c.d", "10.0.0.1::x", "-1.0.0.0",
    "10.0.0.1:::255.0.255.0", "10.0.0.1::::::dhcp", ":::255.255.255.0", "10.0.0.1.::", "4294967297.0.0.1",
  };
  struct net_settings read;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    if (net_settings_parse(wrong[i], &read) || read.address) printf("accepted: %s\n", wrong[i]), exit(1);
}

/* --- ARP and echo --- */

static void answers_arp(void) {
  plug_in();
  introduce("10.77.0.7");
  CHECK(wire_count == 1 && wire_lengths[0] == sizeof(struct arp_frame));
  const struct arp_frame *answer = (const struct arp_frame *)wire[0];
  CHECK(!memcmp(answer->ethernet.to, their_mac, 6) && !memcmp(answer->ethernet.from, our_mac, 6));
  CHECK(answer->arp.operation == big16(ARP_REPLY) && !memcmp(answer->arp.sender_mac, our_mac, 6));
  CHECK(answer->arp.sender == inet_addr("10.77.0.2") && answer->arp.target == inet_addr("10.77.0.7"));
  struct arp_frame other = arp_frame(ARP_REQUEST, "10.77.0.7", "10.77.0.3"), ours = arp_frame(ARP_REQUEST, "10.77.0.2", "10.77.0.2");
  arrive(&other, sizeof other);
  arrive(&ours, sizeof ours);
  CHECK(wire_count == 1);
}

static void answers_echo(void) {
  plug_in();
  introduce("10.77.0.7");
  struct echo_frame request = echo_frame(ICMP_ECHO, 77, "10.77.0.7");
  arrive(&request, sizeof request);
  CHECK(wire_count == 2 && wire_lengths[1] == sizeof request);
  const struct echo_frame *reply = (const struct echo_frame *)wire[1];
  CHECK(!memcmp(reply->ethernet.to, their_mac, 6) && reply->ip.destination == request.ip.source && reply->ip.source == request.ip.destination);
  CHECK(!checksum(&reply->ip, sizeof reply->ip) && !checksum(&reply->icmp, sizeof reply->icmp + sizeof reply->data));
  CHECK(reply->icmp.type == ICMP_ECHO_REPLY && reply->icmp.id == request.icmp.id && !memcmp(reply->data, request.data, 56));
}

/* Somebody who never asked for us: the answer waits until he has told where he is. */
static void asks_before_it_answers(void) {
  plug_in();
  struct echo_frame request = echo_frame(ICMP_ECHO, 77, "10.77.0.8");
  arrive(&request, sizeof request);
  CHECK(wire_count == 1 && ((const struct arp_frame *)wire[0])->arp.target == inet_addr("10.77.0.8"));
  struct arp_frame told = arp_frame(ARP_REPLY, "10.77.0.8", "10.77.0.2");
  arrive(&told, sizeof told);
  CHECK(wire_count == 2 && wire_lengths[1] == sizeof request && !memcmp(wire[1], their_mac, 6));
}

static void far_away_is_by_the_gateway(void) {
  plug_in();
  struct echo_frame request = echo_frame(ICMP_ECHO, 77, "192.0.2.5");
  arrive(&request, sizeof request);
  CHECK(wire_count == 1 && ((const struct arp_frame *)wire[0])->arp.target == inet_addr("10.77.0.1"));
}

/* The last address of another subnet is a neighbour's like any other; the last of ours is all of us. */
static void only_our_own_broadcast_is_one(void) {
  plug_in();
  const uint8_t byte = 0;
  const struct ethernet *frame = (const struct ethernet *)wire[0];
  CHECK(!platform_packet_send(inet_addr("192.0.2.255"), IPV4_ICMP, 0, &byte, 1));
  CHECK(wire_count == 1 && frame->type == big16(ETHERNET_ARP) && ((const struct arp_frame *)wire[0])->arp.target == inet_addr("10.77.0.1"));
  CHECK(!platform_packet_send(inet_addr("10.77.0.255"), IPV4_ICMP, 0, &byte, 1));
  frame = (const struct ethernet *)wire[1];
  CHECK(wire_count == 2 && frame->type == big16(ETHERNET_IPV4) && !memcmp(frame->to, everyone, 6));
  CHECK(net_settings_parse("10.77.0.2::10.77.0.1:255.255.255.255:box:eth0:off", &net_settings)); /* a point-to-point link */
  CHECK(!platform_packet_send(inet_addr("10.77.0.9"), IPV4_ICMP, 0, &byte, 1));
  CHECK(wire_count == 3 && ((const struct ethernet *)wire[2])->type == big16(ETHERNET_ARP));
}

static void senders_that_cannot_be_are_not_answered(void) {
  static const char *const senders[] = {"0.0.0.0", "127.0.0.1", "10.77.0.2", "10.77.0.255", "255.255.255.255", "224.0.0.1", "240.0.0.1"};
  plug_in();
  introduce("10.77.0.1");
  int64_t fd = CALL(SYS_socket, AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
  for (size_t i = 0; i < sizeof senders / sizeof senders[0]; i++) {
    struct echo_frame request = echo_frame(ICMP_ECHO, 77, senders[i]);
    arrive(&request, sizeof request);
    if (wire_count != 1 || CALL(SYS_read, (uint64_t)fd, P(buffer()), 999) != -EAGAIN) printf("answered: %s\n", senders[i]), exit(1);
  }
  struct echo_frame inside = echo_frame(ICMP_ECHO, 77, "10.77.0.1");
  inside.ip.destination = inet_addr("127.0.0.1");
  seal(&inside);
  arrive(&inside, sizeof inside);
  CHECK(wire_count == 1);
}

static void damaged_frames_are_dropped(void) {
  plug_in();
  introduce("10.77.0.7");
  struct echo_frame good = echo_frame(ICMP_ECHO, 77, "10.77.0.7"), bad;
  for (size_t length = 0; length < sizeof good; length++) arrive(&good, length);
  CHECK(wire_count == 1);
#define BAD(change) (bad = good, (change), seal(&bad), arrive(&bad, sizeof bad), CHECK_SILENT)
#define CHECK_SILENT (void)(wire_count == 1 || (printf("%s:%d answered\n", __FILE__, __LINE__), exit(1), 0))
  BAD(bad.ip.version_words = 0x44);
  BAD(bad.ip.version_words = 0x65);
  BAD(bad.ip.version_words = 0x4f);
  BAD(bad.ip.length = big16(19));
  BAD(bad.ip.length = big16(0xffff));
  BAD(bad.ip.fragment = big16(0x2000));
  BAD(bad.ip.fragment = big16(1));
  BAD(bad.ip.destination = inet_addr("10.77.0.255"));
  BAD(bad.ip.protocol = 17);
  BAD(bad.ethernet.to[5] = 3);
  bad = good, bad.icmp.checksum ^= 1, arrive(&bad, sizeof bad), CHECK_SILENT;
  bad = good, bad.ip.checksum ^= 1, arrive(&bad, sizeof bad), CHECK_SILENT;
  arrive(&good, sizeof good);
  CHECK(wire_count == 2);
}

static void neighbours_are_bounded(void) {
  plug_in();
  for (unsigned i = 3; i < 250; i++) {
    char name[16];
    snprintf(name, sizeof name, "10.77.0.%u", i);
    introduce(name);
    struct echo_frame request = echo_frame(ICMP_ECHO, 77, name);
    arrive(&request, sizeof request);
  }
  CHECK(wire_count == 2 * 247);
}

/* --- sockets --- */

static int64_t open_socket(int type) { return CALL(SYS_socket, AF_INET, (uint64_t)type, IPPROTO_ICMP); }

static uint64_t address_of(const char *text) {
  struct sockaddr_in *name = (struct sockaddr_in *)(buffer() + 4096);
  *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text)};
  return P(name);
}

static void pings(void) {
  plug_in();
  introduce("10.77.0.7");
  uint64_t fd = (uint64_t)open_socket(SOCK_RAW);
  struct echo_frame request = echo_frame(ICMP_ECHO, 5, "10.77.0.2"), reply = echo_frame(ICMP_ECHO_REPLY, 5, "10.77.0.7");
  const size_t count = sizeof request.icmp + sizeof request.data;
  memcpy(buffer(), &request.icmp, count);
  CHECK(CALL(SYS_sendto, fd, P(buffer()), count, 0, address_of("10.77.0.7"), 16) == (int64_t)count);
  CHECK(wire_count == 2 && !memcmp(wire[1] + 34, &request.icmp, count));

  struct pollfd *poll = (struct pollfd *)(buffer() + 2048);
  *poll = (struct pollfd){.fd = (int)fd, .events = POLLIN};
  CHECK(CALL(SYS_poll, P(poll), 1, 0) == 0 && CALL(SYS_recvfrom, fd, P(buffer()), 999, MSG_DONTWAIT, 0, 0) == -EAGAIN);
  arrive(&reply, sizeof reply);
  CHECK(CALL(SYS_poll, P(poll), 1, 0) == 1 && poll->revents == POLLIN);
  int *length = (int *)(buffer() + 3072);
  *length = 16;
  CHECK(CALL(SYS_recvfrom, fd, P(buffer()), 999, 0, address_of("0.0.0.0"), P(length)) == (int64_t)(count + 20));
  CHECK(!memcmp(buffer(), &reply.ip, count + 20) && *length == 16);
  CHECK(((struct sockaddr_in *)(buffer() + 4096))->sin_addr.s_addr == inet_addr("10.77.0.7"));
  CHECK(CALL(SYS_close, fd) == 0);
}

static void datagrams_see_their_own(void) {
  plug_in();
  introduce("10.77.0.7");
  uint64_t fd = (uint64_t)open_socket(SOCK_DGRAM | SOCK_NONBLOCK), other = (uint64_t)open_socket(SOCK_DGRAM | SOCK_NONBLOCK);
  struct echo_frame request = echo_frame(ICMP_ECHO, 5, "10.77.0.2");
  memcpy(buffer(), &request.icmp, 64);
  CHECK(CALL(SYS_connect, fd, address_of("10.77.0.7"), 16) == 0 && CALL(SYS_write, fd, P(buffer()), 64) == 64);
  const struct echo_frame *sent = (const struct echo_frame *)wire[1];
  CHECK(!checksum(&sent->icmp, 64));
  struct echo_frame reply = echo_frame(ICMP_ECHO_REPLY, big16(sent->icmp.id), "10.77.0.7");
  arrive(&reply, sizeof reply);
  CHECK(CALL(SYS_read, other, P(buffer()), 999) == -EAGAIN && CALL(SYS_read, fd, P(buffer()), 10) == 10);
  CHECK(!memcmp(buffer(), &reply.icmp, 10) && CALL(SYS_read, fd, P(buffer()), 999) == -EAGAIN);
  buffer()[0] = ICMP_ECHO_REPLY;
  CHECK(CALL(SYS_write, fd, P(buffer()), 64) == -EINVAL && CALL(SYS_write, other, P(buffer()), 64) == -EDESTADDRREQ);
}

static void one_readv_takes_one_packet(void) {
  plug_in();
  uint64_t fd = (uint64_t)open_socket(SOCK_RAW);
  struct echo_frame reply = echo_frame(ICMP_ECHO_REPLY, 5, "10.77.0.7");
  const uint8_t *packet = (const uint8_t *)&reply.ip;
  arrive(&reply, sizeof reply);
  arrive(&reply, sizeof reply);
  struct iovec *parts = (struct iovec *)(buffer() + 2048);
  parts[0] = (struct iovec){buffer(), 10};
  parts[1] = (struct iovec){buffer() + 100, 999};
  CHECK(CALL(SYS_readv, fd, P(parts), 2) == 84 && !memcmp(buffer(), packet, 10) && !memcmp(buffer() + 100, packet + 10, 74));
  CHECK(CALL(SYS_read, fd, P(buffer()), 0) == 0); /* and leaves the packet */
  parts[0].iov_len = parts[1].iov_len = 0;
  CHECK(CALL(SYS_readv, fd, P(parts), 2) == 0 && CALL(SYS_writev, fd, P(parts), 2) == 0);
  parts[0].iov_len = 10, parts[1].iov_len = 999;
  parts[1].iov_base = (void *)16;
  CHECK(CALL(SYS_readv, fd, P(parts), 2) == 10 && CALL(SYS_recvfrom, fd, P(buffer()), 99, MSG_DONTWAIT, 0, 0) == -EAGAIN);
}

static void pings_itself(void) {
  uint64_t fd = (uint64_t)open_socket(SOCK_RAW);
  struct echo_frame request = echo_frame(ICMP_ECHO, 5, "127.0.0.1");
  memcpy(buffer(), &request.icmp, 64);
  CHECK(CALL(SYS_sendto, fd, P(buffer()), 64, 0, address_of("127.0.0.1"), 16) == 64);
  CHECK(CALL(SYS_recvfrom, fd, P(buffer()), 999, 0, 0, 0) == 84 && CALL(SYS_recvfrom, fd, P(buffer()), 999, 0, 0, 0) == 84);
  CHECK(CALL(SYS_recvfrom, fd, P(buffer()), 999, MSG_DONTWAIT, 0, 0) == -EAGAIN);
  CHECK(CALL(SYS_sendto, fd, P(buffer()), 64, 0, address_of("10.0.0.1"), 16) == -ENETUNREACH);
}

static void sockets_refuse(void) {
  plug_in();
  CHECK(CALL(SYS_socket, AF_INET, SOCK_STREAM, 0) == -ENOSYS && strstr(shim.log, "system call socket (41) is not supported"));
  CHECK(CALL(SYS_socket, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) == -ENOSYS);
  CHECK(CALL(SYS_sendto, 1, P(buffer()), 64, 0, 0, 0) == -ENOTSOCK && CALL(SYS_recvfrom, 99, P(buffer()), 64, 0, 0, 0) == -EBADF);
  uint64_t fd = (uint64_t)open_socket(SOCK_RAW);
  CHECK(CALL(SYS_sendto, fd, P(buffer()), 64, 0, address_of("10.77.0.7"), 4) == -EINVAL);
  CHECK(CALL(SYS_sendto, fd, P(buffer()), 60000, 0, address_of("10.77.0.7"), 16) == -EFAULT);
  CHECK(CALL(SYS_sendto, fd, P(buffer()), 1481, 0, address_of("10.77.0.7"), 16) == -EMSGSIZE);
  CHECK(CALL(SYS_sendto, fd, 8, 64, 0, address_of("10.77.0.7"), 16) == -EFAULT);
  CHECK(CALL(SYS_lseek, fd, 0, SEEK_SET) == -ESPIPE && CALL(SYS_setsockopt, fd, 0, IP_HDRINCL, P(buffer()), 4) == -ENOPROTOOPT);
  struct echo_frame reply = echo_frame(ICMP_ECHO_REPLY, 5, "10.77.0.7");
  for (int i = 0; i < 100; i++) arrive(&reply, sizeof reply); /* more than it keeps */
  for (int i = 0; i < 16; i++) CHECK(CALL(SYS_recvfrom, fd, P(buffer()), 64, MSG_DONTWAIT, 0, 0) == 64);
  CHECK(CALL(SYS_recvfrom, fd, P(buffer()), 64, MSG_DONTWAIT, 0, 0) == -EAGAIN);
}

const struct test net_tests[] = {
  {"ip= gives address, gateway and netmask, and the class of the address when there is no netmask", reads_the_address},
  {"ip= that is malformed or asks for autoconfiguration gives no address", refuses_other_addresses},
  {"an ARP request for our address is answered, others are not", answers_arp},
  {"an echo request is answered with its own bytes", answers_echo},
  {"an echo reply to a stranger waits for his MAC address", asks_before_it_answers},
  {"what is not on the subnet goes by the gateway", far_away_is_by_the_gateway},
  {"a broadcast goes to everyone on the subnet, and nothing else does", only_our_own_broadcast_is_one},
  {"frames from the wire that claim to be from nobody, everybody or ourselves are dropped", senders_that_cannot_be_are_not_answered},
  {"frames that are short, damaged, fragmented or for others are dropped", damaged_frames_are_dropped},
  {"many neighbours take turns in a small table", neighbours_are_bounded},
  {"a raw ICMP socket sends, polls and receives with the IP header", pings},
  {"a datagram ICMP socket sees the answers to its own echo requests only", datagrams_see_their_own},
  {"readv takes one packet, whatever its parts, and reading nothing takes none", one_readv_takes_one_packet},
  {"the machine answers its own echo requests without a network", pings_itself},
  {"sockets refuse what they cannot do, and keep a bounded number of packets", sockets_refuse},
  {0},
};
