/* The terminal of the program's own: lines, keys, echo, raw reading. */
#include "test.h"

#include <asm/termbits.h>
#include <sys/ioctl.h>

#include "../../personality/tty.h"

static void start(void) {
  shim.input_open = true;
  shim.output_length = 0;
  tty_start();
}

static void type(const char *keys) {
  shim.input = keys;
  shim.input_length = strlen(keys);
}

/* What the program reads now, without waiting for more. */
static bool reads(const char *text) {
  char bytes[8192];
  ssize_t count = tty_read(bytes, sizeof bytes, false);
  return count == (ssize_t)strlen(text) && !memcmp(bytes, text, (size_t)count);
}

static bool nothing_to_read(void) {
  char byte;
  return tty_read(&byte, 1, false) == -EAGAIN;
}

static bool shown(const char *text) {
  bool same = shim.output_length == strlen(text) && !memcmp(shim.output, text, shim.output_length);
  shim.output_length = 0;
  return same;
}

static void change(tcflag_t input_off, tcflag_t local_off, cc_t least, cc_t tenths) {
  struct termios *settings = (struct termios *)buffer();
  CHECK(tty_ioctl(TCGETS, P(settings)) == 0);
  settings->c_iflag &= ~input_off;
  settings->c_lflag &= ~local_off;
  settings->c_cc[VMIN] = least;
  settings->c_cc[VTIME] = tenths;
  CHECK(tty_ioctl(TCSETS, P(settings)) == 0);
}

static void lines_are_whole(void) {
  start();
  type("hel");
  CHECK(nothing_to_read() && shown("hel"));
  type("lo\rnext\n");
  CHECK(reads("hello\n") && shown("lo\r\nnext\r\n") && reads("next\n") && nothing_to_read());
}

static void part_of_a_line_leaves_the_rest(void) {
  char bytes[3];
  start();
  type("hello\n");
  CHECK(tty_read(bytes, 3, false) == 3 && !memcmp(bytes, "hel", 3) && reads("lo\n"));
}

static void keys_edit(void) {
  start();
  type("ab\x7f" "c\n");
  CHECK(reads("ac\n") && shown("ab\b \bc\r\n"));
  type("one two \x17three\n");
  CHECK(reads("one three\n"));
  type("gone\x15here\n");
  CHECK(reads("here\n"));
  type("\x7f\x7fok\n");
  CHECK(reads("ok\n"));
}

static void characters_of_several_bytes_go_at_once(void) {
  start();
  type("a\xc3\xa4\xe2\x82\xac\x7f\x7f" "b\n");
  CHECK(reads("ab\n") && shown("a\xc3\xa4\xe2\x82\xac\b \b\b \b" "b\r\n"));
}

static void a_tab_is_erased_as_wide_as_it_was(void) {
  start();
  tty_write("$ ", 2);
  type("a\t\x7f");
  CHECK(nothing_to_read() && shown("$ a\t\b \b\b \b\b \b\b \b\b \b"));
}

static void the_end_of_file_key_ends_a_line_or_all(void) {
  start();
  type("half\x04");
  CHECK(reads("half"));
  type("\x04");
  CHECK(reads("") && nothing_to_read());
  type("\x16\x04\n");
  CHECK(reads("\x04\n"));
}

static void the_end_of_file_key_goes_with_the_line_that_fills_a_read(void) {
  char bytes[4];
  start();
  type("half\x04more\n");
  CHECK(tty_read(bytes, 4, false) == 4 && !memcmp(bytes, "half", 4) && reads("more\n"));
}

static void a_hang_up_ends_the_line(void) {
  start();
  type("no newline");
  CHECK(nothing_to_read());
  shim.input_open = false;
  CHECK(reads("no newline") && reads(""));
}

/* Wherever it arrives between the first look and the sleep. */
static void what_is_typed_on_the_way_to_sleep_wakes(void) {
  for (unsigned looks = 0; looks < 12; looks++) {
    start();
    shim.args.flags |= CLOISTER_ARGS_STDIN_TTY;
    shim.late_input = "late\n";
    shim.looks_before_late = looks;
    if (shim.departure != STAYED) printf("looks %u\n", looks);
    CHECK(CALL(SYS_read, 0, P(buffer()), 100) == 5 && shim.departure == STAYED && !memcmp(buffer(), "late\n", 5));
    struct pollfd *poll = (struct pollfd *)(buffer() + 2048);
    *poll = (struct pollfd){.fd = (int)(looks % 3), .events = POLLIN}; /* all three are the terminal */
    shim.late_input = "x\n";
    shim.looks_before_late = looks;
    CHECK(CALL(SYS_poll, P(poll), 1, (uint64_t)-1) == 1 && shim.departure == STAYED && reads("x\n"));
  }
}

static void the_interrupt_key_raises_a_signal_and_drops_what_was_typed(void) {
  start();
  type("gone\x03");
  CHECK(nothing_to_read() && shown("gone^C"));
  CHECK(CALL(SYS_getpid) == 0 || shim.departure == EXITED);
  CHECK(shim.status == 128 + SIGINT && shim.signal == SIGINT);
}

static void raw_reads_take_what_there_is(void) {
  start();
  change(ICRNL, ICANON | ECHO | ISIG, 1, 0);
  type("a\r\x03");
  CHECK(reads("a\r\x03") && shown("") && nothing_to_read());
}

static void readv_does_not_wait_for_its_second_part(void) {
  start();
  change(0, ICANON, 1, 0);
  type("abc");
  struct iovec *parts = (struct iovec *)(buffer() + 2048);
  parts[0] = (struct iovec){buffer(), 3};
  parts[1] = (struct iovec){buffer() + 100, 100};
  CHECK(CALL(SYS_readv, 0, P(parts), 2) == 3 && shim.departure == STAYED && !memcmp(buffer(), "abc", 3));
}

static void raw_reads_may_wait_for_nothing_or_for_a_while(void) {
  char byte;
  start();
  change(0, ICANON, 0, 0);
  CHECK(tty_read(&byte, 1, true) == 0);
  change(0, ICANON, 0, 2);
  uint64_t before = shim.monotonic_ns;
  CHECK(tty_read(&byte, 1, true) == 0 && shim.monotonic_ns >= before + 200000000);
}

static void a_poll_waits_for_what_a_read_waits_for(void) {
  start();
  change(0, ICANON, 3, 0);
  type("a");
  CHECK(!tty_readable());
  change(0, 0, 3, 1);
  CHECK(tty_readable() && reads("a"));
  change(0, 0, 0, 0);
  CHECK(reads(""));
}

static void raw_output_is_not_changed_by_echo(void) {
  start();
  change(ICRNL, ICANON, 1, 0);
  struct termios *settings = (struct termios *)buffer();
  settings->c_oflag &= ~OPOST;
  CHECK(tty_ioctl(TCSETS, P(settings)) == 0);
  type("a\n");
  CHECK(reads("a\n") && shown("a\n"));
}

static void what_was_typed_survives_a_change_of_mode(void) {
  start();
  type("abc");
  CHECK(nothing_to_read());
  change(0, ICANON, 1, 0);
  CHECK(reads("abc"));
}

/* As on Linux: a zero byte, and no end of file to a program that reads keys. */
static void an_end_of_file_is_a_zero_byte_to_raw_reads(void) {
  start();
  type("a\x04");
  tty_take_input();
  change(0, ICANON, 1, 0);
  char bytes[8];
  CHECK(tty_read(bytes, sizeof bytes, false) == 2 && bytes[0] == 'a' && bytes[1] == 0);
}

static void a_line_too_long_loses_its_end(void) {
  static char keys[5000];
  char bytes[8192];
  start();
  memset(keys, 'x', sizeof keys - 2);
  keys[sizeof keys - 2] = '\n';
  type(keys);
  CHECK(tty_read(bytes, sizeof bytes, false) == 4096 && bytes[4095] == '\n' && nothing_to_read());
  CHECK(shim.output[shim.output_length - 3] == '\a');
}

static void what_does_not_fit_stays_with_the_host(void) {
  static char keys[6000];
  char bytes[8192];
  start();
  change(0, ICANON | ECHO, 1, 0);
  memset(keys, 'x', sizeof keys - 1);
  type(keys);
  ssize_t first = tty_read(bytes, sizeof bytes, false), second = tty_read(bytes, sizeof bytes, false);
  CHECK(first > 0 && second > 0 && first + second == sizeof keys - 1);
}

static void newlines_get_their_carriage_return(void) {
  start();
  CHECK(tty_write("a\nb\n\n", 5) == 5 && shown("a\r\nb\r\n\r\n"));
  struct termios *settings = (struct termios *)buffer();
  CHECK(tty_ioctl(TCGETS, P(settings)) == 0);
  settings->c_oflag &= ~OPOST;
  CHECK(tty_ioctl(TCSETSF, P(settings)) == 0);
  CHECK(tty_write("a\n", 2) == 2 && shown("a\n"));
}

static void it_knows_its_size(void) {
  struct winsize *size = (struct winsize *)buffer();
  start();
  personality_window_changed(132, 50);
  CHECK(tty_ioctl(TIOCGWINSZ, P(size)) == 0 && size->ws_col == 132 && size->ws_row == 50);
  CHECK(tty_ioctl(TIOCSWINSZ, 16) == -EFAULT && tty_ioctl(TIOCGWINSZ, 16) == -EFAULT && tty_ioctl(0x1234, 0) == -ENOTTY);
}

const struct test tty_tests[] = {
  {"a line is read when it is whole, and shown as it is typed", lines_are_whole},
  {"a short read leaves the rest of a line", part_of_a_line_leaves_the_rest},
  {"erase, word erase and kill edit the line", keys_edit},
  {"a character of several bytes is erased at once", characters_of_several_bytes_go_at_once},
  {"a tab is erased as wide as it was", a_tab_is_erased_as_wide_as_it_was},
  {"^D ends a line, and is the end of file on an empty one", the_end_of_file_key_ends_a_line_or_all},
  {"^D that ends a line goes with it, also when the line fills the read", the_end_of_file_key_goes_with_the_line_that_fills_a_read},
  {"the end of the input ends the last line", a_hang_up_ends_the_line},
  {"what is typed on the way to sleep wakes the reader", what_is_typed_on_the_way_to_sleep_wakes},
  {"^C sends SIGINT and drops what was typed", the_interrupt_key_raises_a_signal_and_drops_what_was_typed},
  {"a raw read takes what there is, unchanged and not shown", raw_reads_take_what_there_is},
  {"readv with something read does not wait for its second part", readv_does_not_wait_for_its_second_part},
  {"VMIN and VTIME say how long a raw read waits", raw_reads_may_wait_for_nothing_or_for_a_while},
  {"VMIN and VTIME say when poll finds it readable", a_poll_waits_for_what_a_read_waits_for},
  {"the echo of a newline has a carriage return only where output has", raw_output_is_not_changed_by_echo},
  {"^D typed before raw reading is a zero byte to it", an_end_of_file_is_a_zero_byte_to_raw_reads},
  {"what was typed survives a change of mode", what_was_typed_survives_a_change_of_mode},
  {"a line that is too long loses its end, with a bell", a_line_too_long_loses_its_end},
  {"raw input that does not fit stays with the host", what_does_not_fit_stays_with_the_host},
  {"a newline gets its carriage return, unless told otherwise", newlines_get_their_carriage_return},
  {"it knows its size", it_knows_its_size},
  {0},
};
