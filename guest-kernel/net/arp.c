/*
 * Whose MAC address is it? A table of neighbours; each holds one frame that waits for the answer. Nothing is repeated by
 * a timer: who sends again asks again.
 */
#include "stack.h"

#include "string.h"

#define NEIGHBOURS 16

static struct neighbour {
  uint32_t address; /* 0: a free place */
  bool known;
  uint8_t mac[MAC_BYTES];
  size_t waiting; /* length of the frame below; 0: none */
  uint8_t frame[FRAME_MAX];
} neighbours[NEIGHBOURS];

static struct neighbour *find(uint32_t address) {
  for (unsigned i = 0; i < NEIGHBOURS; i++)
    if (neighbours[i].address == address) return &neighbours[i];
  return NULL;
}

/* A place for a new one: free, or taken from the others in turn. */
static struct neighbour *make(uint32_t address) {
  static unsigned turn;
  struct neighbour *place = find(0);
  if (!place) place = &neighbours[turn++ % NEIGHBOURS];
  place->address = address;
  place->known = false;
  place->waiting = 0;
  return place;
}

static void say(uint16_t operation, const uint8_t to[MAC_BYTES], const uint8_t target_mac[MAC_BYTES], uint32_t target) {
  uint8_t frame[sizeof(struct ethernet) + sizeof(struct arp)];
  struct arp *arp = (struct arp *)(frame + sizeof(struct ethernet));
  *arp = (struct arp){.hardware = big16(ARP_ETHERNET), .protocol = big16(ETHERNET_IPV4), .hardware_bytes = MAC_BYTES,
                      .protocol_bytes = 4, .operation = big16(operation), .sender = net_settings.address, .target = target};
  memcpy(arp->sender_mac, net_link.mac, MAC_BYTES);
  memcpy(arp->target_mac, target_mac, MAC_BYTES);
  link_send(to, ETHERNET_ARP, frame, sizeof frame);
}

/* RFC 826: a sender we know may have moved; one that asks for us will be talked to. */
void arp_arrived(const uint8_t *bytes, size_t length) {
  struct arp arp;
  if (length < sizeof arp) return;
  memcpy(&arp, bytes, sizeof arp);
  if (arp.hardware != big16(ARP_ETHERNET) || arp.protocol != big16(ETHERNET_IPV4)) return;
  if (arp.hardware_bytes != MAC_BYTES || arp.protocol_bytes != 4) return;
  if (!net_settings.address || arp.sender == net_settings.address || arp.sender_mac[0] & 1) return;

  bool for_us = arp.target == net_settings.address, asks = arp.operation == big16(ARP_REQUEST);
  struct neighbour *neighbour = arp.sender ? find(arp.sender) : NULL; /* a sender of 0 only probes */
  if (!neighbour && arp.sender && for_us && asks) neighbour = make(arp.sender);
  if (neighbour) {
    size_t waiting = neighbour->waiting;
    memcpy(neighbour->mac, arp.sender_mac, MAC_BYTES);
    neighbour->known = true;
    neighbour->waiting = 0;
    if (waiting) link_send(neighbour->mac, ETHERNET_IPV4, neighbour->frame, waiting);
  }
  if (for_us && asks) say(ARP_REPLY, arp.sender_mac, arp.sender_mac, arp.sender);
}

void arp_forget(void) { memset(neighbours, 0, sizeof neighbours); }

void arp_send(uint32_t address, uint8_t *frame, size_t length) {
  static const uint8_t everyone[MAC_BYTES] = {255, 255, 255, 255, 255, 255}, nobody[MAC_BYTES];
  struct neighbour *neighbour = find(address);
  if (neighbour && neighbour->known) return link_send(neighbour->mac, ETHERNET_IPV4, frame, length);
  if (!neighbour) neighbour = make(address);
  memcpy(neighbour->frame, frame, length);
  neighbour->waiting = length;
  say(ARP_REQUEST, everyone, nobody, address);
}
