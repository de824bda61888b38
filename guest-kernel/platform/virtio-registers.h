/* virtio 1.2 section 4.2.2, table 4.1: device registers, from the driver's side. */
#ifndef CLOISTER_VIRTIO_REGISTERS_H
#define CLOISTER_VIRTIO_REGISTERS_H

#define VIRTIO_MAGIC_VALUE 0x000         /* R  "virt" */
#define VIRTIO_VERSION 0x004             /* R  2 */
#define VIRTIO_DEVICE_ID 0x008           /* R  0: none */
#define VIRTIO_DEVICE_FEATURES 0x010     /* R  32 bits of them */
#define VIRTIO_DEVICE_FEATURES_SEL 0x014 /* W  which 32 */
#define VIRTIO_DRIVER_FEATURES 0x020     /* W */
#define VIRTIO_DRIVER_FEATURES_SEL 0x024 /* W */
#define VIRTIO_QUEUE_SEL 0x030           /* W  which queue the next ones are about */
#define VIRTIO_QUEUE_NUM_MAX 0x034       /* R  0: no such queue */
#define VIRTIO_QUEUE_NUM 0x038           /* W */
#define VIRTIO_QUEUE_READY 0x044         /* RW */
#define VIRTIO_QUEUE_NOTIFY 0x050        /* W  queue index: look at the available ring */
#define VIRTIO_INTERRUPT_STATUS 0x060    /* R */
#define VIRTIO_INTERRUPT_ACK 0x064       /* W */
#define VIRTIO_STATUS 0x070              /* RW, 0: reset */
#define VIRTIO_QUEUE_DESC_LOW 0x080      /* W  physical addresses, low and high half */
#define VIRTIO_QUEUE_DRIVER_LOW 0x090
#define VIRTIO_QUEUE_DEVICE_LOW 0x0a0
#define VIRTIO_CONFIG_GENERATION 0x0fc   /* R  another number: the configuration changed while it was read */
#define VIRTIO_CONFIG 0x100

#define VIRTIO_MAGIC 0x74726976

/* Section 2.1. */
#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER 2
#define VIRTIO_STATUS_DRIVER_OK 4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_FAILED 128

#define VIRTIO_INTERRUPT_USED 1
#define VIRTIO_INTERRUPT_CONFIG 2

#endif
