/*
 * The network driver, virtio 1.2 section 5.1. Each buffer, either way, is one descriptor: a header of the device's and
 * one frame. No offloads are agreed on, so that the header says nothing. Receive buffers are always with the device, and
 * go back to it as soon as the stack has looked at them; sending never waits, and drops when all buffers are under way.
 */
#include "net.h"

#include "boot.h"
#include "layout.h"
#include "platform.h"
#include "stack.h"
#include "string.h"
#include "traps.h"
#include "virtio-mmio.h"
#include "virtqueue.h"

/* Feature bits (section 5.1.3). */
#define VIRTIO_NET_F_MTU (1ull << 3)
#define VIRTIO_NET_F_MAC (1ull << 5)
#define VIRTIO_NET_F_STATUS (1ull << 16)

/* Configuration (section 5.1.4). */
#define CONFIG_MAC 0
#define CONFIG_STATUS 6
#define CONFIG_MTU 10
#define STATUS_LINK_UP 1

/* Before every frame (section 5.1.6). */
struct header {
  uint8_t flags, gso_type;
  uint16_t header_length, gso_size, checksum_start, checksum_offset, buffers;
};

struct buffer {
  _Alignas(16) struct header header;
  uint8_t frame[FRAME_MAX];
};

#define BUFFERS 64

volatile uint8_t *net_registers;
struct net_counts net_counts;
static struct virtio_device device;
static struct virtqueue receive = VIRTQUEUE(0, BUFFERS), transmit = VIRTQUEUE(1, BUFFERS); /* section 5.1.2 */
static struct buffer received[BUFFERS], sent[BUFFERS];
static uint8_t free_buffers[BUFFERS];
static unsigned free_count;
static bool link_up = true;

static void configure(struct virtio_device *from) {
  unsigned mtu = FRAME_MAX - sizeof(struct ethernet);
  for (unsigned i = 0; i < MAC_BYTES && from->features & VIRTIO_NET_F_MAC; i++)
    net_link.mac[i] = virtio_config8(from, CONFIG_MAC + i);
  if (from->features & VIRTIO_NET_F_STATUS) link_up = virtio_config16(from, CONFIG_STATUS) & STATUS_LINK_UP;
  if (from->features & VIRTIO_NET_F_MTU && virtio_config16(from, CONFIG_MTU) < mtu) mtu = virtio_config16(from, CONFIG_MTU);
  net_link.mtu = mtu;
}

static void post(unsigned id) { virtq_add(&receive, id, PA(&received[id]), sizeof(struct header) + FRAME_MAX, true); }

static void take_back_sent(void) {
  unsigned id;
  uint32_t unused;
  while (virtq_take(&transmit, &id, &unused)) free_buffers[free_count++] = (uint8_t)id;
}

bool net_send(const void *frame, size_t length) {
  take_back_sent();
  if (!free_count || length > FRAME_MAX) return false;
  const unsigned id = free_buffers[--free_count];
  sent[id].header = (struct header){0};
  memcpy(sent[id].frame, frame, length);
  virtq_add(&transmit, id, PA(&sent[id]), (uint32_t)(sizeof(struct header) + length), false);
  virtq_kick(&transmit);
  net_counts.sent++;
  return true;
}

static void send_frame(const void *frame, size_t length) { net_send(frame, length); }

void net_wait_sent(unsigned left) {
  for (take_back_sent(); transmit.in_flight > left; take_back_sent()) {
    virtq_want_interrupt_after(&transmit, transmit.in_flight - left);
    if (virtq_has_used(&transmit)) continue; /* done just before we asked */
    wait_for_interrupt();
    service_interrupts();
  }
  virtq_want_interrupt(&transmit, false);
}

void net_interrupted(void) {
  static bool busy; /* what a frame sets off does not come back here */
  unsigned id;
  uint32_t length;
  if (busy) return;
  busy = true;
  unsigned taken = 0;
  while (taken++ < BUFFERS && virtq_take(&receive, &id, &length)) {
    if (length > sizeof received[id]) length = sizeof received[id];
    net_counts.received++;
    if (length > sizeof(struct header)) net_frame_arrived(received[id].frame, length - sizeof(struct header));
    post(id);
  }
  virtq_kick(&receive);
  /* However fast they come, whoever called us gets on with signals and deadlines in between. */
  if (virtq_has_used(&receive)) __atomic_fetch_or(&pending_interrupts, PENDING_NET, __ATOMIC_SEQ_CST);
  busy = false;
}

/* ip= before " -- ": what comes after belongs to the program. */
static void take_settings(void) {
  const char *text = boot_option_value("ip", NULL), *program = boot_program_line();
  if (!text || (program && text > program)) return;
  if (!net_settings_parse(text, &net_settings)) platform_log("ip= on the command line makes no sense here: no address");
}

void net_init(void) {
  struct virtqueue *queues[] = {&receive, &transmit};
  const struct virtio_driver driver = {
      .id = VIRTIO_ID_NET, .features = VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS, .vector = VECTOR_NET,
      .registers = &net_registers, .queues = queues, .queue_count = 2, .configure = configure};
  take_settings();
  if (!virtio_start(&device, &driver)) return;
  if (!(device.features & VIRTIO_NET_F_MAC)) { /* then it is ours to choose: locally administered, one machine's */
    net_link.mac[0] = 2;
    platform_random(net_link.mac + 1, MAC_BYTES - 1);
  }
  if (!link_up) platform_log("the network's link is down");
  for (unsigned i = 0; i < receive.size; i++) post(i);
  for (unsigned i = transmit.size; i-- > 0;) free_buffers[free_count++] = (uint8_t)i;
  virtq_want_interrupt(&receive, true);
  virtq_kick(&receive);
  net_link.transmit = send_frame;
}

void net_moved(const uint8_t *mac) {
  memcpy(net_link.mac, mac, MAC_BYTES);
  arp_forget();
}
