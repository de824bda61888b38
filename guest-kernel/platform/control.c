/*
 * Control port: puts messages together from pieces, acts on them. A length beyond the ABI's limit means that the two
 * sides no longer agree where messages begin: nothing after it can be trusted.
 */
#include "control.h"

#include "abi.h"
#include "boot.h"
#include "clock.h"
#include "console.h"
#include "entropy.h"
#include "layout.h"
#include "log.h"
#include "net.h"
#include "platform.h"
#include "stack.h"
#include "string.h"
#include "traps.h"

#define SIGNAL_MAX 64

static struct cloister_message header;
static size_t header_filled, body_filled;

/* Where a body is put together: ARGS for good, others in `small`. */
static uint8_t *args_area;
static size_t args_area_size, args_length;
static bool args_complete;
static _Alignas(8) uint8_t small[sizeof(struct cloister_release)];

static uint64_t input_total = UINT64_MAX;
static bool held, unanswered; /* a hold was asked for: the program stands still, and the host was not told yet */

void control_init(void) {
  /* Two bytes for each of the message, so that pointers to its strings fit behind it; less in a tiny machine. */
  args_area_size = 2 * CLOISTER_MESSAGE_MAX;
  if (args_area_size > boot_facts.ram_bytes / 16) args_area_size = boot_facts.ram_bytes / 16;
  args_area = VA(boot_reserve(args_area_size, SCAFFOLD_SIZE).start);
}

void control_opened(void) {
  console_send(CLOISTER_MSG_READY, NULL, 0);
  log_flush();
}

static bool is_args(void) { return header.type == CLOISTER_MSG_ARGS; }

static void begin_body(void) {
  body_filled = 0;
  if (header.length > CLOISTER_MESSAGE_MAX)
    platform_panic("control message %u of %u bytes, more than %u", header.type, header.length, CLOISTER_MESSAGE_MAX);
  if (!is_args()) return;
  if (args_complete) platform_panic("a second ARGS message");
  if (header.length >= args_area_size) platform_panic("arguments of %u bytes do not fit", header.length);
  args_length = header.length;
}

/* Random numbers first: whatever follows may draw some. */
static void take_release(const struct cloister_release *release) {
  entropy_add(release->entropy, sizeof release->entropy);
  if (release->realtime_ns) clock_correct(release->realtime_ns);
  if (release->flags & CLOISTER_RELEASE_NETWORK) {
    net_settings = (struct net_settings){release->address, release->netmask, release->gateway};
    net_moved(release->mac);
  }
  char hostname[sizeof release->hostname];
  memcpy(hostname, release->hostname, sizeof hostname);
  hostname[sizeof hostname - 1] = 0;
  if (hostname[0]) personality_renamed(hostname);
  held = false;
}

static void take_message(void) {
  if (is_args()) {
    args_area[args_length] = 0;
    args_complete = true;
  } else if (header.type == CLOISTER_MSG_STDIN_END && header.length == sizeof input_total) {
    memcpy(&input_total, small, sizeof input_total);
  } else if (header.type == CLOISTER_MSG_SIGNAL && header.length == sizeof(uint32_t)) {
    uint32_t signo;
    memcpy(&signo, small, sizeof signo);
    if (signo >= 1 && signo <= SIGNAL_MAX) personality_signal_arrived((int)signo);
  } else if (header.type == CLOISTER_MSG_HOLD && !header.length) {
    held = unanswered = true;
  } else if (header.type == CLOISTER_MSG_RELEASE && header.length == sizeof(struct cloister_release)) {
    take_release((const struct cloister_release *)small);
  } else {
    platform_log("control message %u of %u bytes not understood", header.type, header.length);
  }
}

/* As many bytes of the body as are here; those that nobody keeps are dropped. */
static size_t fill_body(const uint8_t *bytes, size_t count) {
  size_t room = header.length - body_filled;
  if (count > room) count = room;
  if (is_args())
    memcpy(args_area + body_filled, bytes, count);
  else if (body_filled < sizeof small)
    memcpy(small + body_filled, bytes, count < sizeof small - body_filled ? count : sizeof small - body_filled);
  body_filled += count;
  return count;
}

void control_received(const uint8_t *bytes, size_t count) {
  while (count) {
    size_t used;
    if (header_filled < sizeof header) {
      used = sizeof header - header_filled < count ? sizeof header - header_filled : count;
      memcpy((uint8_t *)&header + header_filled, bytes, used);
      header_filled += used;
      if (header_filled == sizeof header) begin_body();
    } else {
      used = fill_body(bytes, count);
    }
    bytes += used;
    count -= used;
    if (header_filled == sizeof header && body_filled == header.length) {
      take_message();
      header_filled = 0;
    }
  }
}

uint8_t *control_args(size_t *length, size_t *area) {
  *length = args_length;
  *area = args_area_size;
  return args_complete ? args_area : NULL;
}

/* Called whenever the console was looked at. What other interrupts announce waits, for a copy as for the original. */
void control_hold(void) {
  static bool holding;
  if (!held || holding) return;
  holding = true;
  while (held) {
    /* A release and the next hold may come together: each hold is answered. */
    if (unanswered) {
      unanswered = false;
      console_send(CLOISTER_MSG_HELD, NULL, 0);
      continue; /* it may have looked at the console, waiting for room */
    }
    wait_for_interrupt();
    if (__atomic_fetch_and(&pending_interrupts, ~PENDING_CONSOLE, __ATOMIC_SEQ_CST) & PENDING_CONSOLE) console_interrupted();
  }
  holding = false;
}

uint64_t control_input_total(void) { return input_total; }
