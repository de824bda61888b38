/*
 * What is on the wire: Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792). Numbers are big-endian there; addresses
 * stay so everywhere here, and are only compared.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_BYTES 6
#define FRAME_MAX 1514 /* header and the usual 1500 bytes; no VLAN tags, no check sequence */

struct ethernet {
  uint8_t to[MAC_BYTES], from[MAC_BYTES];
  uint16_t type;
} __attribute__((packed));
#define ETHERNET_IPV4 0x0800
#define ETHERNET_ARP 0x0806

struct arp {
  uint16_t hardware, protocol;
  uint8_t hardware_bytes, protocol_bytes;
  uint16_t operation;
  uint8_t sender_mac[MAC_BYTES];
  uint32_t sender;
  uint8_t target_mac[MAC_BYTES];
  uint32_t target;
} __attribute__((packed));
#define ARP_ETHERNET 1
#define ARP_REQUEST 1
#define ARP_REPLY 2

struct ipv4 {
  uint8_t version_words; /* 4, and how many 32-bit words the header has */
  uint8_t service;
  uint16_t length, id, fragment;
  uint8_t hops, protocol;
  uint16_t checksum;
  uint32_t source, destination;
} __attribute__((packed));
#define IPV4_DO_NOT_FRAGMENT 0x4000
#define IPV4_FRAGMENT 0x3fff /* more to come, or an offset: a piece of a packet */
#define IPV4_ICMP 1

struct icmp {
  uint8_t type, code;
  uint16_t checksum;
  uint16_t id, sequence; /* of an echo */
} __attribute__((packed));
#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO 8

static inline uint16_t big16(uint16_t value) { return __builtin_bswap16(value); }
static inline uint32_t big32(uint32_t value) { return __builtin_bswap32(value); }

/* RFC 1071, as it goes on the wire; over bytes that hold their own checksum it is 0. */
uint16_t checksum(const void *bytes, size_t count);

#endif
