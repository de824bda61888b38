#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The driver may still be at it when the agent is up. */
enum { PATIENCE_MS = 3000 };

static struct ifreq request_for(const char *name)
{
	struct ifreq request = { 0 };

	strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
	return request;
}

static int await_interface(int fd, const char *name)
{
	for (int waited = 0;; waited++) {
		struct ifreq request = request_for(name);

		if (ioctl(fd, SIOCGIFFLAGS, &request) == 0)
			return 0;
		if (errno != ENODEV || waited >= PATIENCE_MS)
			return errno;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static int set_flags(int fd, const char *name, short flags)
{
	struct ifreq request = request_for(name);

	request.ifr_flags = flags;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? errno : 0;
}

static struct sockaddr inet_address(const uint8_t bytes[4])
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct sockaddr any;

	memcpy(&address.sin_addr, bytes, 4);
	memcpy(&any, &address, sizeof any);
	return any;
}

static int set_address(int fd, const char *name, unsigned long which, const uint8_t bytes[4])
{
	struct ifreq request = request_for(name);

	request.ifr_addr = inet_address(bytes);
	return ioctl(fd, which, &request) < 0 ? errno : 0;
}

static int set_mac(int fd, const char *name, const uint8_t mac[6])
{
	struct ifreq request = request_for(name);

	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, 6);
	return ioctl(fd, SIOCSIFHWADDR, &request) < 0 ? errno : 0;
}

static int add_gateway(int fd, const uint8_t gateway[4])
{
	static const uint8_t anywhere[4];
	struct rtentry route = { .rt_dst = inet_address(anywhere), .rt_gateway = inet_address(gateway),
		.rt_genmask = inet_address(anywhere), .rt_flags = RTF_UP | RTF_GATEWAY };

	if (memcmp(gateway, anywhere, 4) == 0)
		return 0;
	return ioctl(fd, SIOCADDRT, &route) < 0 ? errno : 0;
}

static int open_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

int network_loopback(void)
{
	static bool up;
	int fd, error;

	if (up)
		return 0;
	fd = open_socket();
	if (fd < 0)
		return errno;
	error = set_flags(fd, "lo", IFF_UP);
	up = error == 0;
	close(fd);
	return error;
}

int network_set(const char *name, const uint8_t mac[6], const uint8_t address[4], const uint8_t gateway[4],
	unsigned prefix, char *what)
{
	uint32_t bits = prefix == 0 ? 0 : htonl(0xffffffffu << (32 - prefix));
	uint8_t mask[4];
	int fd = open_socket();
	int error;

	if (fd < 0)
		return errno;
	memcpy(mask, &bits, 4);
	strcpy(what, "the network interface");
	error = await_interface(fd, name);
	if (error == 0)
		error = set_flags(fd, name, 0);
	if (error == 0) {
		strcpy(what, "the hardware address");
		error = set_mac(fd, name, mac);
	}
	if (error == 0) {
		strcpy(what, "the network address");
		error = set_address(fd, name, SIOCSIFADDR, address);
	}
	if (error == 0)
		error = set_address(fd, name, SIOCSIFNETMASK, mask);
	if (error == 0)
		error = set_flags(fd, name, IFF_UP);
	if (error == 0) {
		strcpy(what, "the gateway");
		error = add_gateway(fd, gateway);
	}
	close(fd);
	return error;
}
