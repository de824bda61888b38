/* The network interfaces, by the old ioctls: they need no netlink. netdevice(7) */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

/* Once. @returns an errno, or 0 */
int network_loopback(void);
/*
 * Down, then new address and hardware address, then up: nothing of what it was stays. A gateway of zeroes is none.
 * @param what gets the step that failed
 */
int network_set(const char *name, const uint8_t mac[6], const uint8_t address[4], const uint8_t gateway[4],
	unsigned prefix, char *what);

#endif
