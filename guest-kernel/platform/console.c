/*
 * virtio-console driver, virtio 1.2 section 5.3. Output is copied into the port's ring of buffers and the program goes
 * on at once; only a full ring makes it wait. Buffers are taken last in, first out: a quiet program touches one.
 */
#include "console.h"

#include "abi.h"
#include "control.h"
#include "layout.h"
#include "platform.h"
#include "privileged.h"
#include "string.h"
#include "traps.h"
#include "virtio-mmio.h"
#include "virtqueue.h"

#define VIRTIO_CONSOLE_F_MULTIPORT 2ull

/* Control queue messages, section 5.3.6.2. */
struct port_message {
  uint32_t port;
  uint16_t event, value;
};
#define VIRTIO_CONSOLE_DEVICE_READY 0
#define VIRTIO_CONSOLE_PORT_ADD 1
#define VIRTIO_CONSOLE_PORT_REMOVE 2
#define VIRTIO_CONSOLE_PORT_READY 3
#define VIRTIO_CONSOLE_PORT_OPEN 6

#define PORTS 3

/* Large where bulk data flows (measured: half the time of 4 KiB); pages never used cost the host nothing. */
#define STDIO_BUFFER 16384
#define SMALL_BUFFER 4096
#define CONTROL_BUFFER_SIZE 256

/* One direction of a port: a queue and a buffer per descriptor. */
struct sender {
  struct virtqueue queue;
  uint8_t *buffers;
  uint32_t buffer_size;
  uint8_t free[VIRTQ_SIZE_MAX];
  unsigned free_count;
};

struct receiver {
  struct virtqueue queue;
  uint8_t *buffers;
  uint32_t buffer_size;
  /* The buffer being read. */
  unsigned current, offset, length;
  bool has_current, started;
};

volatile uint8_t *console_registers; /* for trap.S */
static struct virtio_device device;
static bool multiport, present[PORTS], input_closed;

static uint8_t output_buffers[32 * STDIO_BUFFER], error_buffers[16 * SMALL_BUFFER], message_buffers[16 * SMALL_BUFFER];
static uint8_t input_buffers[16 * STDIO_BUFFER], command_buffers[8 * SMALL_BUFFER];

/* Queue numbers, section 5.3.2: port 0 receives on 0 and transmits on 1, control on 2 and 3, port 1 on 4 and 5, ... */
static struct sender senders[PORTS] = {
    {.queue = {.index = 1, .size = 32}, .buffers = output_buffers, .buffer_size = STDIO_BUFFER},
    {.queue = {.index = 5, .size = 16}, .buffers = error_buffers, .buffer_size = SMALL_BUFFER},
    {.queue = {.index = 7, .size = 16}, .buffers = message_buffers, .buffer_size = SMALL_BUFFER},
};
static struct receiver input = {.queue = {.index = 0, .size = 16}, .buffers = input_buffers, .buffer_size = STDIO_BUFFER};
static struct receiver commands = {.queue = {.index = 6, .size = 8}, .buffers = command_buffers, .buffer_size = SMALL_BUFFER};

/* The device's own control queues. */
static struct virtqueue control_in = {.index = 2, .size = 16}, control_out = {.index = 3, .size = 16};
static uint8_t control_in_buffers[16][CONTROL_BUFFER_SIZE];
static struct port_message control_out_buffers[16];

static void post(struct receiver *receiver, unsigned id) {
  virtq_add(&receiver->queue, id, PA(receiver->buffers + id * receiver->buffer_size), receiver->buffer_size, true);
}

static void start_receiving(struct receiver *receiver) {
  if (receiver->started) return;
  receiver->started = true;
  for (unsigned i = 0; i < receiver->queue.size; i++) post(receiver, i);
  virtq_kick(&receiver->queue);
}

/* --- the device's control queues --- */

static void say_to_device(unsigned port, unsigned event, unsigned value) {
  static unsigned next;
  unsigned id;
  uint32_t length;
  while (virtq_take(&control_out, &id, &length)) continue;
  if (control_out.in_flight == control_out.size) platform_panic("virtio-console: the control queue is stuck");
  id = next++ % control_out.size; /* the device takes them in order */
  control_out_buffers[id] = (struct port_message){port, (uint16_t)event, (uint16_t)value};
  virtq_add(&control_out, id, PA(&control_out_buffers[id]), sizeof(struct port_message), false);
}

static void port_added(unsigned port) {
  if (port >= PORTS || present[port] || !senders[port].queue.size) {
    say_to_device(port, VIRTIO_CONSOLE_PORT_READY, 0);
    return;
  }
  say_to_device(port, VIRTIO_CONSOLE_PORT_READY, 1);
  say_to_device(port, VIRTIO_CONSOLE_PORT_OPEN, 1);
  present[port] = true;
  if (port == CLOISTER_PORT_CONTROL) {
    start_receiving(&commands);
    control_opened();
  }
}

static void read_device_messages(void) {
  unsigned id;
  uint32_t length;
  bool any = false;
  while (virtq_take(&control_in, &id, &length)) {
    const struct port_message *message = (const struct port_message *)control_in_buffers[id];
    if (length >= sizeof *message && message->event == VIRTIO_CONSOLE_PORT_ADD) port_added(message->port);
    if (length >= sizeof *message && message->event == VIRTIO_CONSOLE_PORT_OPEN && message->port == CLOISTER_PORT_STDIO)
      input_closed = !message->value;
    virtq_add(&control_in, id, PA(control_in_buffers[id]), CONTROL_BUFFER_SIZE, true);
    any = true;
  }
  if (!any) return;
  virtq_kick(&control_in);
  virtq_kick(&control_out);
}

/* --- boot --- */

void console_init(void) {
  struct virtqueue *queues[] = {&input.queue, &senders[0].queue, &control_in, &control_out,
                                &senders[1].queue, &senders[2].queue, &commands.queue};
  const struct virtio_driver driver = {VIRTIO_ID_CONSOLE, VIRTIO_CONSOLE_F_MULTIPORT, VECTOR_CONSOLE, &console_registers,
                                       queues, sizeof queues / sizeof *queues};
  if (!virtio_start(&device, &driver)) {
    for (unsigned i = 0; i < driver.queue_count; i++) queues[i]->size = 0;
    return;
  }
  for (unsigned port = 0; port < PORTS; port++)
    for (unsigned i = 0; i < senders[port].queue.size; i++) senders[port].free[senders[port].free_count++] = (uint8_t)i;
  multiport = device.features & VIRTIO_CONSOLE_F_MULTIPORT;
  if (!multiport) {
    present[CLOISTER_PORT_STDIO] = true;
    return;
  }

  virtq_want_interrupt(&control_in, true);
  virtq_want_interrupt(&commands.queue, true);
  for (unsigned i = 0; i < control_in.size; i++)
    virtq_add(&control_in, i, PA(control_in_buffers[i]), CONTROL_BUFFER_SIZE, true);
  virtq_kick(&control_in);
  say_to_device(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
  virtq_kick(&control_out);
}

bool console_has_port(unsigned port) { return present[port]; }
bool console_has_control(void) { return present[CLOISTER_PORT_CONTROL]; }
bool console_starting(void) { return multiport && !present[CLOISTER_PORT_STDIO]; }
bool console_expects_control(void) { return senders[CLOISTER_PORT_CONTROL].queue.size; }
bool console_input_closed(void) { return input_closed; }

/* --- receiving --- */

/* The buffer to read from next, as `current`. */
static bool next_buffer(struct receiver *receiver) {
  while (!receiver->has_current) {
    uint32_t length;
    if (!virtq_take(&receiver->queue, &receiver->current, &length)) return false;
    receiver->offset = 0;
    receiver->length = length < receiver->buffer_size ? length : receiver->buffer_size;
    receiver->has_current = receiver->length;
    if (!receiver->length) post(receiver, receiver->current);
  }
  return true;
}

static const uint8_t *current_bytes(const struct receiver *receiver) {
  return receiver->buffers + receiver->current * receiver->buffer_size + receiver->offset;
}

static void consume(struct receiver *receiver, unsigned count) {
  receiver->offset += count;
  if (receiver->offset < receiver->length) return;
  receiver->has_current = false;
  post(receiver, receiver->current);
}

void console_interrupted(void) {
  if (multiport) read_device_messages();
  if (!commands.started) return;
  while (next_buffer(&commands)) {
    control_received(current_bytes(&commands), commands.length);
    consume(&commands, commands.length);
  }
  virtq_kick(&commands.queue);
}

bool console_input_waiting(void) {
  start_receiving(&input);
  return next_buffer(&input);
}

int64_t console_read_input(void *bytes, size_t count) {
  size_t done = 0;
  while (done < count && console_input_waiting()) {
    size_t chunk = input.length - input.offset;
    if (chunk > count - done) chunk = count - done;
    if (copy_guarded((uint8_t *)bytes + done, current_bytes(&input), chunk)) return -1;
    consume(&input, (unsigned)chunk);
    done += chunk;
  }
  virtq_kick(&input.queue);
  return (int64_t)done;
}

void console_want_input(bool wanted) { virtq_want_interrupt(&input.queue, wanted); }

/* --- sending --- */

static void reclaim(struct sender *sender) {
  unsigned id;
  uint32_t length;
  while (virtq_take(&sender->queue, &id, &length)) sender->free[sender->free_count++] = (uint8_t)id;
}

/* Waits until the host gives a buffer back. False: `stop` says to give up. */
static bool wait_for_buffer(struct sender *sender, bool (*stop)(void)) {
  virtq_kick(&sender->queue);
  virtq_want_interrupt(&sender->queue, true);
  while (!virtq_has_used(&sender->queue) && !(stop && stop())) {
    wait_for_interrupt();
    service_interrupts();
  }
  virtq_want_interrupt(&sender->queue, false);
  reclaim(sender);
  return sender->free_count;
}

/* The buffer to fill next; it is taken when it is sent. */
static uint8_t *next_free(const struct sender *sender) {
  return sender->buffers + sender->free[sender->free_count - 1] * sender->buffer_size;
}

static void send(struct sender *sender, uint32_t length) {
  uint8_t *buffer = next_free(sender);
  virtq_add(&sender->queue, sender->free[--sender->free_count], PA(buffer), length, false);
}

int64_t console_write(unsigned port, const void *bytes, size_t count, bool (*stop)(void)) {
  struct sender *sender = &senders[port];
  size_t done = 0;
  reclaim(sender);
  while (done < count) {
    if (!sender->free_count && !wait_for_buffer(sender, stop)) break;
    uint32_t chunk = count - done < sender->buffer_size ? (uint32_t)(count - done) : sender->buffer_size;
    if (copy_guarded(next_free(sender), (const uint8_t *)bytes + done, chunk)) break;
    send(sender, chunk);
    done += chunk;
  }
  virtq_kick(&sender->queue);
  return (int64_t)done;
}

void console_send(unsigned type, const void *body, size_t length) {
  struct sender *sender = &senders[CLOISTER_PORT_CONTROL];
  const struct cloister_message header = {type, (unsigned)length};
  if (!console_has_control() || length > SMALL_BUFFER - sizeof header) return;
  reclaim(sender);
  while (!sender->free_count) wait_for_buffer(sender, NULL);
  uint8_t *buffer = next_free(sender);
  memcpy(buffer, &header, sizeof header);
  memcpy(buffer + sizeof header, body, length);
  send(sender, (uint32_t)(sizeof header + length));
  virtq_kick(&sender->queue);
}

void console_flush(void) {
  for (unsigned port = 0; port < PORTS; port++) {
    if (!senders[port].queue.size) continue;
    reclaim(&senders[port]);
    while (senders[port].queue.in_flight) wait_for_buffer(&senders[port], NULL);
  }
}
