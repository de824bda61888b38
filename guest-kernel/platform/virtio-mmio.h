/* Virtio over MMIO, the driver's side: registers and the steps all drivers share. virtio 1.2 section 4.2. */
#ifndef CLOISTER_VIRTIO_MMIO_H
#define CLOISTER_VIRTIO_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_ID_NET 1
#define VIRTIO_ID_BLOCK 2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_ENTROPY 4

/* Reserved feature bits (section 6). */
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtqueue;

struct virtio_device {
  volatile uint8_t *registers; /* NULL: there is none */
  uint64_t features;           /* negotiated */
};

/* Finds the windows announced on the command line as virtio_mmio.device=SIZE@0xGPA:GSI. */
void virtio_mmio_init(void);
/* The registers of each; NULL behind the last one. For test guests. */
volatile uint8_t *virtio_mmio_window(unsigned index);

/*
 * Brings up a device of this kind: features agreed, configuration read, queues set up, interrupts routed to `vector`,
 * driver OK. False if there is none, or it does not agree. A queue the device lacks has size 0 afterwards.
 */
struct virtio_driver {
  unsigned id;
  unsigned instance; /* 0: the first of its kind */
  uint64_t features; /* besides VERSION_1 and EVENT_IDX, if offered */
  unsigned vector;
  volatile uint8_t **registers; /* for the interrupt handler */
  struct virtqueue **queues;
  unsigned queue_count;
  void (*configure)(struct virtio_device *device); /* reads what it wants to know, at CPL0, maybe twice; or NULL */
};
bool virtio_start(struct virtio_device *device, const struct virtio_driver *driver);

/* Fields of the device's configuration, for configure(): each is read by its own width (section 4.2.2.2). */
uint8_t virtio_config8(const struct virtio_device *device, unsigned offset);
uint16_t virtio_config16(const struct virtio_device *device, unsigned offset);
uint32_t virtio_config32(const struct virtio_device *device, unsigned offset);

#endif
