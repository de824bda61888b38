/*
 * The line discipline of the program's own terminal, for what programs use of Linux's: canonical and raw reading,
 * echo, editing keys, keys that send signals, carriage returns. termios(3), ioctl_tty(2)
 *
 *        first                 lines                 end
 *   -------+--------------------+---------------------+------   input[], indexes grow for ever, taken modulo its size
 *          |  whole lines       |  the line being     |
 *          |  to be read        |  edited             |
 */
#include "tty.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <asm/termios.h>

#include "memory.h"
#include "process.h"
#include "signal.h"

#define INPUT_SIZE 4096 /* MAX_INPUT of Linux's discipline */
#define TAB 8
#define NEVER UINT64_MAX

static char input[INPUT_SIZE];
static bool ends_line[INPUT_SIZE]; /* a newline or another end; an end of file is one whose character is not read */
static bool is_eof[INPUT_SIZE];
static uint32_t first, lines, end;

static struct termios settings = {
  .c_iflag = ICRNL | IUTF8,
  .c_oflag = OPOST | ONLCR,
  .c_cflag = B38400 | CS8 | CREAD,
  .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
  .c_cc = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22},
};
static struct winsize window = {.ws_row = 24, .ws_col = 80};
static int group = PROCESS_ID;
static bool active, hung_up, literal_next;
static bool news; /* something was typed since somebody looked who may be waiting for it */
/* The program's output may wait for the host: an echo would wait behind it, and a key that interrupts behind the echo. */
static bool writing;
static uint32_t column, line_column; /* of the cursor, and where the line being edited begins */

static bool input_flag(tcflag_t flag) { return settings.c_iflag & flag; }
static bool local(tcflag_t flag) { return settings.c_lflag & flag; }
/* A key that is switched off is 0. */
static bool is_key(char byte, unsigned key) { return byte && (cc_t)byte == settings.c_cc[key]; }
static uint32_t at(uint32_t index) { return index % INPUT_SIZE; }

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

/* --- output --- */

static void move_column(char byte) {
  if (byte == '\r' || byte == '\n') column = 0;
  else if (byte == '\b') column -= column > 0;
  else if (byte == '\t') column += TAB - column % TAB;
  else if ((byte & 0xc0) != 0x80 && byte != 7) column++; /* not inside a character of several bytes */
}

static bool adds_returns(void) { return settings.c_oflag & OPOST && settings.c_oflag & ONLCR; }

/* Bytes up to the next newline that needs a carriage return. */
static size_t plain_run(const char *bytes, size_t count) {
  size_t length = 0;
  if (!adds_returns()) return count;
  while (length < count && bytes[length] != '\n') length++;
  return length;
}

ssize_t tty_write(const void *from, size_t count) {
  char chunk[512];
  size_t done = 0;
  writing = true;
  while (done < count) {
    size_t size = count - done < sizeof chunk ? count - done : sizeof chunk;
    memcpy(chunk, (const char *)from + done, size);
    size_t run = plain_run(chunk, size);
    const bool newline = run == 0;
    ssize_t put = newline ? platform_stream_write(1, "\r\n", 2) : platform_stream_write(1, chunk, run);
    if (put <= 0) {
      writing = false;
      return done ? (ssize_t)done : put == -EINTR ? -ERESTARTSYS : put;
    }
    const size_t taken = newline ? 1 : (size_t)put;
    for (size_t i = 0; i < taken; i++) move_column(chunk[i]);
    done += taken;
  }
  writing = false;
  return (ssize_t)done;
}

/* --- echo --- */

static void show(const char *bytes, size_t count) {
  if (writing) return;
  platform_stream_write(1, bytes, count);
  for (size_t i = 0; i < count; i++) move_column(bytes[i]);
}

static bool as_caret(char byte) {
  return local(ECHOCTL) && ((byte >= 0 && byte < 32) || byte == 127) && byte != '\t' && byte != '\n';
}

static void echo(char byte) {
  if (byte == '\n') {
    if (!local(ECHO) && !(local(ECHONL) && local(ICANON))) return;
    if (adds_returns()) show("\r\n", 2);
    else show(&byte, 1);
  } else if (!local(ECHO)) {
    return;
  } else if (as_caret(byte)) {
    const char caret[2] = {'^', (char)(byte ^ 64)};
    show(caret, 2);
  } else {
    show(&byte, 1);
  }
}

/* Where the cursor is when the line being edited is shown up to `to`. */
static uint32_t column_at(uint32_t to) {
  uint32_t place = line_column;
  for (uint32_t i = lines; i != to; i++) {
    const char byte = input[at(i)];
    if (byte == '\t') place += TAB - place % TAB;
    else if (as_caret(byte)) place += 2;
    else if ((byte & 0xc0) != 0x80) place++;
  }
  return place;
}

static void erase_from(uint32_t to) {
  const uint32_t now = column_at(end), then = column_at(to);
  end = to;
  if (!local(ECHO) || !local(ECHOE)) return;
  for (uint32_t i = then; i < now; i++) show("\b \b", 3);
}

/* --- editing --- */

static uint32_t one_character_back(void) {
  uint32_t to = end - 1;
  while (input_flag(IUTF8) && to != lines && (input[at(to)] & 0xc0) == 0x80) to--;
  return to;
}

static uint32_t one_word_back(void) {
  uint32_t to = end;
  while (to != lines && input[at(to - 1)] == ' ') to--;
  while (to != lines && input[at(to - 1)] != ' ') to--;
  return to;
}

static void keep(char byte, bool line_end, bool eof) {
  input[at(end)] = eof ? 0 : byte; /* what a raw read finds of it */
  ends_line[at(end)] = line_end;
  is_eof[at(end)] = eof;
  end++;
  if (line_end || !local(ICANON)) lines = end;
}

static void flush_input(void) { first = lines = end; }

static bool sends_signal(char byte) {
  static const struct {
    unsigned key;
    int signo;
  } keys[] = {{VINTR, SIGINT}, {VQUIT, SIGQUIT}, {VSUSP, SIGTSTP}};
  if (!local(ISIG)) return false;
  for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
    if (!is_key(byte, keys[i].key)) continue;
    if (!local(NOFLSH)) flush_input();
    echo(byte);
    personality_signal_arrived(keys[i].signo);
    return true;
  }
  return false;
}

/* Whether it edited the line, rather than being part of it. */
static bool edits_line(char byte) {
  if (is_key(byte, VERASE)) {
    if (end != lines) erase_from(one_character_back());
  } else if (is_key(byte, VKILL)) {
    erase_from(lines);
  } else if (local(IEXTEN) && is_key(byte, VWERASE)) {
    erase_from(one_word_back());
  } else if (local(IEXTEN) && is_key(byte, VLNEXT)) {
    literal_next = true;
  } else {
    return false;
  }
  return true;
}

static void typed(char byte) {
  if (end == lines) line_column = column;
  if (!literal_next) {
    if (byte == '\r') {
      if (input_flag(IGNCR)) return;
      if (input_flag(ICRNL)) byte = '\n';
    } else if (byte == '\n' && input_flag(INLCR)) {
      byte = '\r';
    }
    if (sends_signal(byte)) return;
    if (local(ICANON) && edits_line(byte)) return;
  }
  const bool eof = local(ICANON) && !literal_next && is_key(byte, VEOF);
  const bool line_end = local(ICANON) && !literal_next && (eof || byte == '\n' || is_key(byte, VEOL));
  literal_next = false;
  /* The last place is for what ends the line. */
  if (end - first >= (uint32_t)(line_end ? INPUT_SIZE : INPUT_SIZE - 1)) {
    if (!writing) platform_stream_write(1, "\a", 1);
    return;
  }
  if (!eof) echo(byte);
  keep(byte, line_end, eof);
}

/* What does not fit stays with the host, unless it could only ever end by being typed away. */
static bool room(void) { return end - first < INPUT_SIZE - 1 || (local(ICANON) && first == lines); }

void tty_take_input(void) {
  static bool busy; /* the echo waits for a buffer, and finds itself called again */
  if (!active || busy || hung_up) return;
  busy = true;
  while (room() && platform_stream_readable()) {
    char byte;
    ssize_t got = platform_stream_read(&byte, 1, false);
    news = true;
    if (got == 0) {
      hung_up = true;
      lines = end; /* what was typed last has no other end */
    }
    if (got != 1) break;
    typed(byte);
  }
  busy = false;
}

bool personality_input_news(void) { return news; }

/* For who may go to sleep afterwards: what comes from now on is news, even if it is taken on the way there. */
static void look(void) {
  tty_take_input();
  news = false;
}

/* --- reading --- */

static size_t waiting(void) { return lines - first; }

bool tty_readable(void) {
  look();
  const bool all = !local(ICANON) && !settings.c_cc[VTIME] && settings.c_cc[VMIN]; /* VMIN bytes, or just any */
  return hung_up || waiting() >= (all ? settings.c_cc[VMIN] : 1);
}

/* A line, or as much of it as was asked for; else whatever there is. */
static ssize_t take(char *bytes, size_t count) {
  size_t done = 0;
  bool last = false;
  while (done < count && first != lines && !last) {
    const uint32_t index = at(first++);
    last = local(ICANON) && ends_line[index];
    if (last && is_eof[index]) break;
    bytes[done++] = input[index];
  }
  /* The end-of-file key of a line that fits exactly goes with it: the next read shall not find an empty one. */
  if (done == count && local(ICANON) && !last && first != lines && is_eof[at(first)]) first++;
  return (ssize_t)done;
}

/* VMIN bytes, or as many as are asked for if those are fewer, or VTIME tenths of a second after the last one. */
static bool enough(size_t count, uint64_t deadline) {
  const size_t least = settings.c_cc[VMIN];
  if (hung_up) return true;
  if (local(ICANON)) return waiting() > 0;
  if (waiting() >= count || (least && waiting() >= least)) return true;
  if (!least && (waiting() || !settings.c_cc[VTIME])) return true;
  return platform_monotonic_ns() >= deadline;
}

static uint64_t read_deadline(void) {
  const uint64_t tenths = settings.c_cc[VTIME];
  if (local(ICANON) || !tenths || (settings.c_cc[VMIN] && !waiting())) return NEVER;
  return platform_monotonic_ns() + tenths * 100000000;
}

ssize_t tty_read(void *bytes, size_t count, bool block) {
  if (!count) return 0;
  look();
  uint64_t deadline = read_deadline();
  for (size_t seen = waiting(); !enough(count, deadline); seen = waiting()) {
    if (!block) return waiting() ? take(bytes, count) : -EAGAIN;
    if (signal_sleep(deadline, WAKE_STDIN) && signal_pending()) return waiting() ? take(bytes, count) : -ERESTARTSYS;
    look();
    if (waiting() != seen) deadline = read_deadline();
  }
  return take(bytes, count);
}

/* --- settings --- */

static int set_settings(uint64_t argument, bool flush) {
  struct termios wanted;
  if (copy_from_user(&wanted, argument, sizeof wanted)) return -EFAULT;
  if (flush) flush_input();
  /* What was typed for a line becomes readable as it is, and the other way round. */
  if ((wanted.c_lflag ^ settings.c_lflag) & ICANON && end != first) {
    lines = end;
    ends_line[at(end - 1)] = true;
  }
  settings = wanted;
  return 0;
}

int tty_ioctl(unsigned request, uint64_t argument) {
  int value = group;
  switch (request) {
    case TCGETS: return copy_to_user(argument, &settings, sizeof settings);
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
      value = (int)waiting();
      return copy_to_user(argument, &value, sizeof value);
    case TCFLSH:
      if (argument != TCOFLUSH) flush_input();
      return 0;
    case TCSBRK:
    case TCXONC:
    case TIOCSCTTY: return 0;
    default: return -ENOTTY;
  }
}
