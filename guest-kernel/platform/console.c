/*
 * virtio-console driver, virtio 1.2 section 5.3. Output is copied into the port's ring of buffers and the program goes
 * on at once; only a full ring makes it wait.
 */
#include "console.h"

#include "abi.h"
#include "control.h"
#include "layout.h"
#include "platform.h"
#include "port.h"
#include "string.h"
#include "traps.h"
#include "virtio-mmio.h"

#define VIRTIO_CONSOLE_F_MULTIPORT 2ull

/* Control queue messages, section 5.3.6.2. */
struct port_message {
  uint32_t port;
  uint16_t event, value;
};
#define VIRTIO_CONSOLE_DEVICE_READY 0
#define VIRTIO_CONSOLE_PORT_ADD 1
#define VIRTIO_CONSOLE_PORT_READY 3
#define VIRTIO_CONSOLE_RESIZE 5
#define VIRTIO_CONSOLE_PORT_OPEN 6

/* VIRTIO_CONSOLE_RESIZE: a port_message, then this. */
struct console_size {
  uint16_t columns, rows;
};

#define PORTS 3

/* Large where bulk data flows (measured: half the time of 4 KiB); pages never used cost the host nothing. */
#define STDIO_BUFFER 16384
#define SMALL_BUFFER 4096
#define CONTROL_BUFFER_SIZE 256

volatile uint8_t *console_registers; /* for interrupt.S */
static struct virtio_device device;
static bool multiport, present[PORTS], input_closed;

static uint8_t output_buffers[32 * STDIO_BUFFER], error_buffers[16 * SMALL_BUFFER], message_buffers[16 * SMALL_BUFFER];
static uint8_t input_buffers[16 * STDIO_BUFFER], command_buffers[8 * SMALL_BUFFER];

/* Queue numbers, section 5.3.2: port 0 receives on 0 and transmits on 1, control on 2 and 3, port 1 on 4 and 5, ... */
static struct sender senders[PORTS] = {
    {.queue = VIRTQUEUE(1, 32), .buffers = output_buffers, .buffer_size = STDIO_BUFFER},
    {.queue = VIRTQUEUE(5, 16), .buffers = error_buffers, .buffer_size = SMALL_BUFFER},
    {.queue = VIRTQUEUE(7, 16), .buffers = message_buffers, .buffer_size = SMALL_BUFFER},
};
static struct receiver input = {.queue = VIRTQUEUE(0, 16), .buffers = input_buffers, .buffer_size = STDIO_BUFFER};
static struct receiver commands = {.queue = VIRTQUEUE(6, 8), .buffers = command_buffers, .buffer_size = SMALL_BUFFER};

/* The device's own control queues. */
static struct virtqueue control_in = VIRTQUEUE(2, 16), control_out = VIRTQUEUE(3, 16);
static uint8_t control_in_buffers[16][CONTROL_BUFFER_SIZE];
static struct port_message control_out_buffers[16];

/* --- the device's control queues --- */

/* A device may name more ports at once than there are buffers to answer with. */
static void wait_for_answer_buffer(void) {
  virtq_kick(&control_out);
  virtq_want_interrupt(&control_out, true);
  while (!virtq_has_used(&control_out)) {
    wait_for_interrupt();
    service_interrupts();
  }
  virtq_want_interrupt(&control_out, false);
}

static void say_to_device(unsigned port, unsigned event, unsigned value) {
  static unsigned next;
  unsigned id;
  uint32_t length;
  if (control_out.in_flight == control_out.size) wait_for_answer_buffer();
  while (virtq_take(&control_out, &id, &length)) continue;
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
}

/* Answers go out before the first bytes on a port: the device must know that we have it open. */
static void read_device_messages(void) {
  unsigned id;
  uint32_t length;
  bool any = false, had_control = console_has_control();
  while (virtq_take(&control_in, &id, &length)) {
    const struct port_message *message = (const struct port_message *)control_in_buffers[id];
    if (length >= sizeof *message && message->event == VIRTIO_CONSOLE_PORT_ADD) port_added(message->port);
    if (length >= sizeof *message && message->event == VIRTIO_CONSOLE_PORT_OPEN && message->port == CLOISTER_PORT_STDIO)
      input_closed = !message->value;
    const struct console_size *size = (const struct console_size *)(message + 1);
    if (length >= sizeof *message + sizeof *size && message->event == VIRTIO_CONSOLE_RESIZE && message->port == CLOISTER_PORT_STDIO)
      personality_window_changed(size->columns, size->rows);
    virtq_add(&control_in, id, PA(control_in_buffers[id]), CONTROL_BUFFER_SIZE, true);
    any = true;
  }
  if (!any) return;
  virtq_kick(&control_in);
  virtq_kick(&control_out);
  if (had_control || !console_has_control()) return;
  receiver_start(&commands);
  control_opened();
}

/* --- boot --- */

void console_init(void) {
  struct virtqueue *queues[] = {&input.queue, &senders[0].queue, &control_in, &control_out,
                                &senders[1].queue, &senders[2].queue, &commands.queue};
  const struct virtio_driver driver = {
      .id = VIRTIO_ID_CONSOLE, .features = VIRTIO_CONSOLE_F_MULTIPORT, .vector = VECTOR_CONSOLE,
      .registers = &console_registers, .queues = queues, .queue_count = sizeof queues / sizeof *queues};
  if (!virtio_start(&device, &driver)) {
    for (unsigned i = 0; i < driver.queue_count; i++) queues[i]->size = 0;
    return;
  }
  for (unsigned port = 0; port < PORTS; port++) sender_start(&senders[port]);
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

/* --- input --- */

static void read_commands(void) {
  const uint8_t *bytes;
  uint32_t count;
  while ((bytes = receiver_bytes(&commands, &count))) {
    control_received(bytes, count);
    receiver_consume(&commands, count);
  }
  virtq_kick(&commands.queue);
}

void console_interrupted(void) {
  static bool busy; /* what is done here may wait for a buffer, and find itself called again */
  if (busy) return;
  busy = true;
  if (multiport) read_device_messages();
  if (commands.started) read_commands();
  busy = false;
  control_hold();
}

bool console_input_waiting(void) {
  uint32_t count;
  receiver_start(&input); /* not before the program wants it: what nobody reads stays with the host */
  return receiver_bytes(&input, &count);
}

int64_t console_read_input(void *to, size_t limit) {
  const uint8_t *bytes;
  uint32_t count;
  size_t done = 0;
  while (done < limit && (bytes = receiver_bytes(&input, &count))) {
    if (count > limit - done) count = (uint32_t)(limit - done);
    if (copy_guarded((uint8_t *)to + done, bytes, count)) return -1;
    receiver_consume(&input, count);
    done += count;
  }
  virtq_kick(&input.queue);
  return (int64_t)done;
}

void console_want_input(bool wanted) { virtq_want_interrupt(&input.queue, wanted); }

/* --- output --- */

int64_t console_write(unsigned port, const void *bytes, size_t count, bool (*stop)(void)) {
  struct sender *sender = &senders[port];
  size_t done = 0;
  while (done < count) {
    uint8_t *buffer = sender_buffer(sender, stop);
    uint32_t chunk = count - done < sender->buffer_size ? (uint32_t)(count - done) : sender->buffer_size;
    if (!buffer || copy_guarded(buffer, (const uint8_t *)bytes + done, chunk)) break;
    sender_send(sender, chunk);
    done += chunk;
  }
  virtq_kick(&sender->queue);
  return (int64_t)done;
}

void console_send(unsigned type, const void *body, size_t length) {
  struct sender *sender = &senders[CLOISTER_PORT_CONTROL];
  const struct cloister_message header = {type, (unsigned)length};
  if (!console_has_control() || length > SMALL_BUFFER - sizeof header) return;
  uint8_t *buffer = sender_buffer(sender, NULL);
  memcpy(buffer, &header, sizeof header);
  memcpy(buffer + sizeof header, body, length);
  sender_send(sender, (uint32_t)(sizeof header + length));
  virtq_kick(&sender->queue);
}

void console_flush(void) {
  for (unsigned port = 0; port < PORTS; port++) sender_flush(&senders[port]);
}
