/*
 * Keeps a network card busy, for bench: arguments in threes, `transmit|receive|echo BYTES MS`. Each prints `go` with its
 * first two arguments and waits until the other side says so by an ICMP echo reply that nobody asked for. For so many
 * milliseconds it then sends frames as fast as the queue takes them, counts those that come, or, until it is told again
 * (the time is its patience), answers echo requests, which the stack does. It ends with a line: what it was, how many frames, nanoseconds.
 */
#include "guest.h"

#include "net.h"
#include "stack.h"
#include "traps.h"

#define NS_PER_MS 1000000ull
#define PATIENCE (20000 * NS_PER_MS)
#define SILENCE (50 * NS_PER_MS)
#define LEFT_IN_QUEUE 32 /* half of the driver's buffers: the device has work while we fill up */
#define BETWEEN_LOOKS 16 /* frames from one look at the clock to the next */
#define ETHERNET_EXPERIMENT 0x88b5

static const uint8_t other_side[MAC_BYTES] = {2, 0, 0, 0, 0, 0x77};
static unsigned told, heard;

void personality_packet_arrived(const uint8_t *packet, size_t count) {
  const size_t header = (packet[0] & 15u) * 4u;
  told += count > header && packet[header] == ICMP_ECHO_REPLY;
}
bool personality_packet_news(void) { return told != heard; }

static void wait_until_told(uint64_t patience) {
  platform_sleep_until(platform_monotonic_ns() + patience, WAKE_PACKET);
  if (told == heard) platform_panic("nobody said a word");
  heard = told;
}

struct outcome {
  uint64_t frames, ns;
};

static struct outcome transmit(unsigned bytes, uint64_t duration) {
  uint8_t frame[FRAME_MAX] = {0};
  struct ethernet *ethernet = (struct ethernet *)frame;
  memcpy(ethernet->to, other_side, MAC_BYTES);
  memcpy(ethernet->from, net_link.mac, MAC_BYTES);
  ethernet->type = big16(ETHERNET_EXPERIMENT);
  const uint64_t before = net_counts.sent, start = platform_monotonic_ns();
  for (unsigned i = 1; i % BETWEEN_LOOKS || platform_monotonic_ns() - start < duration; i++)
    while (!net_send(frame, bytes)) net_wait_sent(LEFT_IN_QUEUE);
  net_wait_sent(0);
  return (struct outcome){net_counts.sent - before, platform_monotonic_ns() - start};
}

/* One timer for all of it: setting it anew at each halt would cost more than the frames. */
static struct outcome receive(uint64_t duration) {
  const uint64_t before = net_counts.received, start = platform_monotonic_ns();
  platform_set_alarm(start + duration);
  while (platform_monotonic_ns() - start < duration) {
    wait_for_interrupt();
    service_interrupts();
  }
  return (struct outcome){net_counts.received - before, platform_monotonic_ns() - start};
}

/* What was still on its way, until nothing has come for a moment. */
static void let_pass(void) {
  for (uint64_t before = net_counts.received - 1; before != net_counts.received;) {
    before = net_counts.received;
    platform_sleep_until(platform_monotonic_ns() + SILENCE, 0);
  }
}

static struct outcome echo(uint64_t patience) {
  const uint64_t before = net_counts.received, start = platform_monotonic_ns();
  wait_until_told(patience);
  return (struct outcome){net_counts.received - before, platform_monotonic_ns() - start};
}

static unsigned number(const char *text) {
  unsigned value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (unsigned)(*text - '0');
  return value;
}

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  if (!net_link.transmit) platform_panic("there is no network card");
  if (!net_settings.address) platform_panic("there is no address: say ip=");
  for (int i = 1; i + 2 < args.argc; i += 3) {
    const char *what = args.argv[i];
    const unsigned bytes = number(args.argv[i + 1]);
    const uint64_t duration = number(args.argv[i + 2]) * NS_PER_MS;
    if (bytes < sizeof(struct ethernet) || bytes > FRAME_MAX) platform_panic("no such load");
    print("go %s %u\n", what, bytes);
    wait_until_told(PATIENCE);
    const struct outcome out = *what == 't' ? transmit(bytes, duration) : *what == 'r' ? receive(duration) : echo(duration);
    print("%s %u %lu %lu\n", what, bytes, out.frames, out.ns);
    let_pass();
  }
  finish("net-load", true);
}
