/*
 * Standard streams: ports of the virtio-console; on the serial port when there is none. And sleeping, since both wait
 * for the same interrupts.
 */
#include <asm/errno.h>

#include "abi.h"
#include "block.h"
#include "console.h"
#include "control.h"
#include "platform.h"
#include "serial.h"
#include "streams.h"
#include "traps.h"

#define SERIAL_CHUNK 1024

static uint64_t input_read; /* bytes of stdin handed out so far */
static bool input_refused;  /* the program was started without stdin */
static int serial_byte = -1;
static bool serial_listening;
static bool input_watched; /* new input interrupts at any time */

void streams_set_args(uint32_t flags) { input_refused = !(flags & CLOISTER_ARGS_STDIN); }

/* --- output --- */

static ssize_t serial_write_guarded(const uint8_t *bytes, size_t count) {
  uint8_t chunk[SERIAL_CHUNK];
  for (size_t done = 0; done < count;) {
    size_t size = count - done < sizeof chunk ? count - done : sizeof chunk;
    if (copy_guarded(chunk, bytes + done, size)) return done ? (ssize_t)done : -EFAULT;
    serial_write(chunk, size);
    done += size;
  }
  return (ssize_t)count;
}

ssize_t platform_stream_write(int stream, const void *bytes, size_t count) {
  unsigned port = stream == 2 && console_has_port(CLOISTER_PORT_STDERR) ? CLOISTER_PORT_STDERR : CLOISTER_PORT_STDIO;
  if (!console_has_port(port)) return serial_write_guarded(bytes, count);
  ssize_t done = console_write(port, bytes, count, personality_signal_pending);
  if (done || !count) return done;
  return personality_signal_pending() ? -EINTR : -EFAULT;
}

/* --- input --- */

static bool at_end(void) {
  return input_refused || input_read >= control_input_total() || (!console_has_control() && console_input_closed());
}

static bool bytes_waiting(void) {
  if (console_has_port(CLOISTER_PORT_STDIO)) return console_input_waiting();
  if (!serial_listening) serial_enable_input();
  serial_listening = true;
  if (serial_byte < 0) serial_byte = serial_read();
  return serial_byte >= 0;
}

bool platform_stream_readable(void) {
  if (pending_interrupts) service_interrupts();
  return at_end() || bytes_waiting();
}

static ssize_t read_serial(uint8_t *bytes, size_t count) {
  size_t done = 0;
  for (; done < count && bytes_waiting(); done++) {
    uint8_t byte = (uint8_t)serial_byte;
    if (copy_guarded(bytes + done, &byte, 1)) return done ? (ssize_t)done : -EFAULT;
    serial_byte = -1;
  }
  return (ssize_t)done;
}

ssize_t platform_stream_read(void *bytes, size_t count, bool block) {
  if (!count) return 0;
  while (!platform_stream_readable()) {
    if (!block) return -EAGAIN;
    int status = platform_sleep_until(UINT64_MAX, WAKE_STDIN);
    if (status) return status;
  }
  if (at_end()) return 0;
  if (!console_has_port(CLOISTER_PORT_STDIO)) return read_serial(bytes, count);
  ssize_t done = console_read_input(bytes, count);
  if (done < 0) return -EFAULT;
  input_read += (uint64_t)done;
  return done;
}

/* --- waiting --- */

void platform_watch_input(void) {
  input_watched = true;
  if (!console_has_port(CLOISTER_PORT_STDIO)) return;
  console_input_waiting(); /* offers the buffers */
  console_want_input(true);
}

int platform_sleep_until(uint64_t deadline_ns, unsigned wake) {
  const bool wake_on_stdin = wake & WAKE_STDIN;
  int status = 0;
  disk_post(); /* nothing more comes for now */
  if (wake_on_stdin && console_has_port(CLOISTER_PORT_STDIO)) console_want_input(true);
  for (;;) {
    service_interrupts();
    if (wake_on_stdin && (platform_stream_readable() || personality_input_news())) break;
    if (wake & WAKE_PACKET && personality_packet_news()) break;
    if (personality_signal_pending()) {
      status = -EINTR;
      break;
    }
    if (deadline_ns != UINT64_MAX) {
      uint64_t now = platform_monotonic_ns();
      if (now >= deadline_ns) break;
      wait_for_timer(deadline_ns - now); /* far deadlines in steps */
    } else {
      wait_for_interrupt();
    }
  }
  if (wake_on_stdin && console_has_port(CLOISTER_PORT_STDIO)) console_want_input(input_watched);
  return status;
}
