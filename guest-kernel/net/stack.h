/*
 * Just enough of a network: the machine has one address, answers ARP and echo requests for it, and a program may send
 * and receive ICMP. Everything that arrives is hostile: no length or offset of a frame is believed before it is checked.
 *
 *   program (personality/socket.c)            wire
 *        |  platform_packet_send()              |  net_frame_arrived()
 *        v                                      v
 *      ip.c  ── where to? ── arp.c ──>  net_link.transmit()      frames out
 *        ^                                      |
 *        └── icmp.c <── ip.c <──────────────────┘                frames in
 */
#ifndef NET_STACK_H
#define NET_STACK_H

#include "settings.h"
#include "wire.h"

/* The wire: its driver fills this in. */
struct net_link {
  void (*transmit)(const void *frame, size_t length); /* NULL: there is none. A full queue drops, as wires do */
  uint8_t mac[MAC_BYTES];
  unsigned mtu; /* of IPv4 packets, at most FRAME_MAX less the header */
};
extern struct net_link net_link;
extern struct net_settings net_settings;

/* From the driver: a frame, without check sequence. */
void net_frame_arrived(const uint8_t *frame, size_t length);

/* Forgets the neighbours: there may be others at their addresses. */
void arp_forget(void);

/* --- between the files --- */

/* An ARP packet came. */
void arp_arrived(const uint8_t *bytes, size_t length);
/* Sends an IPv4 frame whose Ethernet header is still open to a neighbour: now, or when he has told his address. */
void arp_send(uint32_t neighbour, uint8_t *frame, size_t length);
/* Fills in the Ethernet header and transmits. */
void link_send(const uint8_t to[MAC_BYTES], uint16_t type, uint8_t *frame, size_t length);

/* An IPv4 packet came, from the wire or from ourselves. */
void ip_arrived(const uint8_t *packet, size_t length, bool by_wire);
/* An ICMP message for us, its checksum still to be verified; false: nobody should see it. */
bool icmp_arrived(uint32_t source, const uint8_t *message, size_t length);

#endif
