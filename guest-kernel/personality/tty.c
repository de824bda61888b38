/*
 * The program's own terminal, for what programs use of Linux's: when typed bytes are taken and read, and its settings.
 * tty_line.c edits and echoes, tty_output.c writes. termios(3), ioctl_tty(2)
 */
#include "tty.h"

#include <asm/ioctls.h>
#include <asm/termios.h>

#include "memory.h"
#include "process.h"
#include "signal.h"
#include "tty_line.h"

#define NEVER UINT64_MAX

static struct winsize window = {.ws_row = 24, .ws_col = 80};
static int group = PROCESS_ID;
static bool active, hung_up;
static bool news; /* something was typed since somebody looked who may be waiting for it */

static bool canonical(void) { return tty_settings.c_lflag & ICANON; }

bool tty_active(void) { return active; }

void tty_start(void) {
  active = true;
  platform_watch_input();
}

void personality_window_changed(unsigned columns, unsigned rows) {
  if (columns == window.ws_col && rows == window.ws_row) return;
  window.ws_col = (uint16_t)columns;
  window.ws_row = (uint16_t)rows;
  if (active) personality_signal_arrived(SIGWINCH);
}

/* --- reading --- */

void tty_take_input(void) {
  static bool busy; /* the echo waits for a buffer, and finds itself called again */
  if (!active || busy || hung_up) return;
  busy = true;
  while (line_has_room() && platform_stream_readable()) {
    char byte;
    ssize_t got = platform_stream_read(&byte, 1, false);
    news = true;
    if (got == 0) {
      hung_up = true;
      line_end(); /* what was typed last has no other */
    }
    if (got != 1) break;
    line_typed(byte);
  }
  busy = false;
}

bool personality_input_news(void) { return news; }

/* For who may go to sleep afterwards: what comes from now on is news, even if it is taken on the way there. */
static void look(void) {
  tty_take_input();
  news = false;
}

bool tty_readable(void) {
  look();
  const bool all = !canonical() && !tty_settings.c_cc[VTIME] && tty_settings.c_cc[VMIN]; /* VMIN bytes, or just any */
  return hung_up || line_waiting() >= (all ? tty_settings.c_cc[VMIN] : 1);
}

/* VMIN bytes, or as many as are asked for if those are fewer, or VTIME tenths of a second after the last one. */
static bool enough(size_t count, uint64_t deadline) {
  const size_t least = tty_settings.c_cc[VMIN];
  if (hung_up) return true;
  if (canonical()) return line_waiting() > 0;
  if (line_waiting() >= count || (least && line_waiting() >= least)) return true;
  if (!least && (line_waiting() || !tty_settings.c_cc[VTIME])) return true;
  return platform_monotonic_ns() >= deadline;
}

static uint64_t read_deadline(void) {
  const uint64_t tenths = tty_settings.c_cc[VTIME];
  if (canonical() || !tenths || (tty_settings.c_cc[VMIN] && !line_waiting())) return NEVER;
  return platform_monotonic_ns() + tenths * 100000000;
}

ssize_t tty_read(void *bytes, size_t count, bool block) {
  if (!count) return 0;
  look();
  uint64_t deadline = read_deadline();
  for (size_t seen = line_waiting(); !enough(count, deadline); seen = line_waiting()) {
    ssize_t otherwise = block ? 0 : -EAGAIN;
    if (block && signal_sleep(deadline, WAKE_STDIN) && signal_pending()) otherwise = -ERESTARTSYS;
    if (otherwise) return line_waiting() ? line_take(bytes, count) : otherwise;
    look();
    if (line_waiting() != seen) deadline = read_deadline();
  }
  return line_take(bytes, count);
}

/* --- settings --- */

static int set_settings(uint64_t argument, bool flush) {
  struct termios wanted;
  if (copy_from_user(&wanted, argument, sizeof wanted)) return -EFAULT;
  if (flush) line_flush();
  line_set_mode(&wanted);
  return 0;
}

int tty_ioctl(unsigned request, uint64_t argument) {
  int value = group;
  switch (request) {
    case TCGETS: return copy_to_user(argument, &tty_settings, sizeof tty_settings);
    case TCSETS:
    case TCSETSW: return set_settings(argument, false);
    case TCSETSF: return set_settings(argument, true);
    case TIOCGWINSZ: return copy_to_user(argument, &window, sizeof window);
    case TIOCSWINSZ: return copy_from_user(&window, argument, sizeof window);
    case TIOCGPGRP:
    case TIOCGSID: return copy_to_user(argument, &value, sizeof value);
    case TIOCSPGRP: return copy_from_user(&group, argument, sizeof group);
    case FIONREAD:
      tty_take_input();
      value = (int)line_waiting();
      return copy_to_user(argument, &value, sizeof value);
    case TCFLSH:
      if (argument != TCOFLUSH) line_flush();
      return 0;
    case TCSBRK:
    case TCXONC:
    case TIOCSCTTY: return 0;
    default: return -ENOTTY;
  }
}
