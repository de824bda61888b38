/* ICMP: echo requests are answered; programs see all of it. */
#include "platform.h"
#include "stack.h"
#include "string.h"

bool icmp_arrived(uint32_t source, const uint8_t *message, size_t length) {
  struct icmp header;
  uint8_t reply[FRAME_MAX];
  if (length < sizeof header || length > sizeof reply || checksum(message, length)) return false;
  memcpy(&header, message, sizeof header);
  if (header.type != ICMP_ECHO) return true;
  memcpy(reply, message, length);
  header.type = ICMP_ECHO_REPLY;
  header.checksum = 0;
  memcpy(reply, &header, sizeof header);
  header.checksum = checksum(reply, length);
  memcpy(reply, &header, sizeof header);
  platform_packet_send(source, IPV4_ICMP, 0, reply, length);
  return true;
}
