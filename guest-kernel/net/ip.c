/* IPv4: what is for us, and where what we send goes. No fragments, no forwarding, no options of our own. */
#include <asm/errno.h>

#include "platform.h"
#include "stack.h"
#include "string.h"

#define HOPS 64
#define LOOPBACK_FIRST 127
#define FIRST_MULTICAST 0xe0000000 /* and behind it what is reserved */

struct net_link net_link;
struct net_settings net_settings;

static const uint8_t everyone[MAC_BYTES] = {255, 255, 255, 255, 255, 255};

/* --- the link --- */

void link_send(const uint8_t to[MAC_BYTES], uint16_t type, uint8_t *frame, size_t length) {
  struct ethernet *ethernet = (struct ethernet *)frame;
  if (!net_link.transmit) return;
  memcpy(ethernet->to, to, MAC_BYTES);
  memcpy(ethernet->from, net_link.mac, MAC_BYTES);
  ethernet->type = big16(type);
  net_link.transmit(frame, length);
}

void net_frame_arrived(const uint8_t *frame, size_t length) {
  const struct ethernet *ethernet = (const struct ethernet *)frame;
  if (length < sizeof *ethernet) return;
  if (memcmp(ethernet->to, net_link.mac, MAC_BYTES) && memcmp(ethernet->to, everyone, MAC_BYTES)) return;
  const uint8_t *inside = frame + sizeof *ethernet;
  if (ethernet->type == big16(ETHERNET_ARP)) arp_arrived(inside, length - sizeof *ethernet);
  if (ethernet->type == big16(ETHERNET_IPV4)) ip_arrived(inside, length - sizeof *ethernet, true);
}

/* --- in --- */

static bool is_loopback(uint32_t address) { return big32(address) >> 24 == LOOPBACK_FIRST; }

static bool is_ours(uint32_t address) {
  return is_loopback(address) || (net_settings.address && address == net_settings.address);
}

/* The last address of our subnet, if it has more than two, or that of all subnets. */
static bool is_broadcast(uint32_t address) {
  uint32_t hosts = ~net_settings.netmask;
  if (address == UINT32_MAX) return true;
  return big32(hosts) > 1 && ((address ^ net_settings.address) & ~hosts) == 0 && (address & hosts) == hosts;
}

/* Who can have sent a packet over the wire: one machine, and not this one. Else an answer would go to many, or to us. */
static bool is_someone_else(uint32_t address) {
  return big32(address) >> 24 && big32(address) < FIRST_MULTICAST && !is_broadcast(address) && !is_ours(address);
}

void ip_arrived(const uint8_t *packet, size_t length, bool by_wire) {
  struct ipv4 header;
  if (length < sizeof header) return;
  memcpy(&header, packet, sizeof header);
  size_t header_bytes = (header.version_words & 15u) * 4u, total = big16(header.length);
  if (header.version_words >> 4 != 4 || header_bytes < sizeof header || header_bytes > total || total > length) return;
  if (checksum(packet, header_bytes) || header.fragment & big16(IPV4_FRAGMENT) || !is_ours(header.destination)) return;
  if (by_wire && (is_loopback(header.destination) || !is_someone_else(header.source))) return;
  if (header.protocol != IPV4_ICMP) return;
  if (icmp_arrived(header.source, packet + header_bytes, total - header_bytes)) personality_packet_arrived(packet, total);
}

/* --- out --- */

/* The neighbour that a packet goes to first; 0: nobody. */
static uint32_t next_hop(uint32_t destination) {
  if (!net_settings.address || !net_link.transmit) return 0;
  if ((destination & net_settings.netmask) == (net_settings.address & net_settings.netmask)) return destination;
  return net_settings.gateway;
}

int platform_packet_send(uint32_t destination, uint8_t protocol, uint8_t hops, const void *payload, size_t count) {
  static uint16_t next_id;
  uint8_t frame[FRAME_MAX];
  uint8_t *packet = frame + sizeof(struct ethernet);
  bool to_us = is_ours(destination), broadcast = is_broadcast(destination);
  uint32_t hop = broadcast && net_settings.address && net_link.transmit ? destination : next_hop(destination);
  if (!to_us && !hop) return -ENETUNREACH;
  size_t limit = to_us ? FRAME_MAX - sizeof(struct ethernet) : net_link.mtu;
  if (limit < sizeof(struct ipv4) || count > limit - sizeof(struct ipv4)) return -EMSGSIZE;

  struct ipv4 header = {
    .version_words = 4 << 4 | sizeof header / 4, .length = big16((uint16_t)(sizeof header + count)), .id = big16(next_id++),
    .fragment = big16(IPV4_DO_NOT_FRAGMENT), .hops = hops ? hops : HOPS, .protocol = protocol,
    .source = is_loopback(destination) ? destination : net_settings.address, .destination = destination,
  };
  header.checksum = checksum(&header, sizeof header);
  memcpy(packet, &header, sizeof header);
  memcpy(packet + sizeof header, payload, count);

  size_t length = sizeof header + count;
  if (to_us) ip_arrived(packet, length, false);
  else if (broadcast) link_send(everyone, ETHERNET_IPV4, frame, sizeof(struct ethernet) + length);
  else arp_send(hop, frame, sizeof(struct ethernet) + length);
  return 0;
}
