/*
 * What was typed, until it is read: echo, editing keys, keys that send signals. termios(3)
 *
 *        first                 lines                 end
 *   -------+--------------------+---------------------+------   input[], indexes grow for ever, taken modulo its size
 *          |  whole lines       |  the line being     |
 *          |  to be read        |  edited             |
 */
#include "tty_line.h"

#include "process.h"
#include "signal.h"
#include "tty_output.h"

#define INPUT_SIZE 4096 /* MAX_INPUT of Linux's discipline */

struct termios tty_settings = {
  .c_iflag = ICRNL | IUTF8,
  .c_oflag = OPOST | ONLCR,
  .c_cflag = B38400 | CS8 | CREAD,
  .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
  .c_cc = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22},
};

static char input[INPUT_SIZE];
static bool ends_line[INPUT_SIZE]; /* a newline or another end; an end of file is one whose character is not read */
static bool is_eof[INPUT_SIZE];
static uint32_t first, lines, end;
static uint32_t line_column; /* where the line being edited begins */
static bool literal_next;

static bool input_flag(tcflag_t flag) { return tty_settings.c_iflag & flag; }
static bool local(tcflag_t flag) { return tty_settings.c_lflag & flag; }
/* A key that is switched off is 0. */
static bool is_key(char byte, unsigned key) { return byte && (cc_t)byte == tty_settings.c_cc[key]; }
static uint32_t at(uint32_t index) { return index % INPUT_SIZE; }

/* --- echo --- */

static bool as_caret(char byte) {
  return local(ECHOCTL) && ((byte >= 0 && byte < 32) || byte == 127) && byte != '\t' && byte != '\n';
}

static void echo(char byte) {
  if (byte == '\n') {
    if (!local(ECHO) && !(local(ECHONL) && local(ICANON))) return;
    if (tty_adds_returns()) tty_show("\r\n", 2);
    else tty_show(&byte, 1);
  } else if (!local(ECHO)) {
    return;
  } else if (as_caret(byte)) {
    const char caret[2] = {'^', (char)(byte ^ 64)};
    tty_show(caret, 2);
  } else {
    tty_show(&byte, 1);
  }
}

/* Where the cursor is when the line being edited is shown up to `to`. */
static uint32_t column_at(uint32_t to) {
  uint32_t place = line_column;
  for (uint32_t i = lines; i != to; i++) {
    const char byte = input[at(i)];
    if (byte == '\t') place = tty_after_tab(place);
    else if (as_caret(byte)) place += 2;
    else if ((byte & 0xc0) != 0x80) place++;
  }
  return place;
}

static void erase_from(uint32_t to) {
  const uint32_t now = column_at(end), then = column_at(to);
  end = to;
  if (!local(ECHO) || !local(ECHOE)) return;
  for (uint32_t i = then; i < now; i++) tty_show("\b \b", 3);
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

static void keep(char byte, bool ends, bool eof) {
  input[at(end)] = eof ? 0 : byte; /* what a raw read finds of it */
  ends_line[at(end)] = ends;
  is_eof[at(end)] = eof;
  end++;
  if (ends || !local(ICANON)) lines = end;
}

void line_flush(void) { first = lines = end; }

static bool sends_signal(char byte) {
  static const struct {
    unsigned key;
    int signo;
  } keys[] = {{VINTR, SIGINT}, {VQUIT, SIGQUIT}, {VSUSP, SIGTSTP}};
  if (!local(ISIG)) return false;
  for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
    if (!is_key(byte, keys[i].key)) continue;
    if (!local(NOFLSH)) line_flush();
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

void line_typed(char byte) {
  if (end == lines) line_column = tty_column();
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
  const bool ends = local(ICANON) && !literal_next && (eof || byte == '\n' || is_key(byte, VEOL));
  literal_next = false;
  /* The last place is for what ends the line. */
  if (end - first >= (uint32_t)(ends ? INPUT_SIZE : INPUT_SIZE - 1)) {
    tty_ring();
    return;
  }
  if (!eof) echo(byte);
  keep(byte, ends, eof);
}

bool line_has_room(void) { return end - first < INPUT_SIZE - 1 || (local(ICANON) && first == lines); }

/* --- what becomes of it --- */

void line_end(void) { lines = end; }

size_t line_waiting(void) { return lines - first; }

ssize_t line_take(char *bytes, size_t count) {
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

void line_set_mode(const struct termios *wanted) {
  if ((wanted->c_lflag ^ tty_settings.c_lflag) & ICANON && end != first) {
    lines = end;
    ends_line[at(end - 1)] = true;
  }
  tty_settings = *wanted;
}
