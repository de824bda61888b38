/* The machine's address, from the command line. */
#ifndef NET_SETTINGS_H
#define NET_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct net_settings {
  uint32_t address, netmask; /* as on the wire; address 0: none */
  uint32_t gateway;          /* 0: none */
};

/*
 * Reads the value of Linux's ip= (Documentation/admin-guide/nfs/nfsroot.rst), which ends at a space or NUL:
 * client:server:gateway:netmask:hostname:device:autoconf... False: it is malformed, or asks for autoconfiguration.
 */
bool net_settings_parse(const char *text, struct net_settings *settings);

#endif
