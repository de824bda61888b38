/* What a program writes to its terminal, and the echo of what is typed: carriage returns, and where the cursor is. */
#include "tty_output.h"

#include "memory.h"
#include "process.h"
#include "tty_line.h"

#define TAB 8

/* The program's output may wait for the host: an echo would wait behind it, and a key that interrupts behind the echo. */
static bool writing;
static uint32_t column; /* of the cursor */

uint32_t tty_column(void) { return column; }

uint32_t tty_after_tab(uint32_t place) { return place + TAB - place % TAB; }

bool tty_adds_returns(void) { return tty_settings.c_oflag & OPOST && tty_settings.c_oflag & ONLCR; }

static void move_column(char byte) {
  if (byte == '\r' || byte == '\n') column = 0;
  else if (byte == '\b') column -= column > 0;
  else if (byte == '\t') column = tty_after_tab(column);
  else if ((byte & 0xc0) != 0x80 && byte != 7) column++; /* not inside a character of several bytes */
}

/* Bytes up to the next newline that needs a carriage return. */
static size_t plain_run(const char *bytes, size_t count) {
  size_t length = 0;
  if (!tty_adds_returns()) return count;
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

void tty_show(const char *bytes, size_t count) {
  if (writing) return;
  platform_stream_write(1, bytes, count);
  for (size_t i = 0; i < count; i++) move_column(bytes[i]);
}

void tty_ring(void) {
  if (!writing) platform_stream_write(1, "\a", 1);
}
