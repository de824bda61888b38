/* Kernel log: LOG messages on the control port; on the serial port where there is none and the user asked for it. */
#include "log.h"

#include "abi.h"
#include "boot.h"
#include "console.h"
#include "format.h"
#include "platform.h"
#include "serial.h"
#include "string.h"

#define LINE_MAX 400

/* Lines, each ended by NUL, that wait for the control port. */
static char waiting[2048];
static size_t waiting_length;

static void send(const char *line) { console_send(CLOISTER_MSG_LOG, line, strlen(line)); }

void log_line(const char *line) {
  if (console_has_control()) {
    send(line);
  } else if (boot_option("debug")) {
    serial_write(line, strlen(line));
    serial_write("\n", 1);
  } else {
    size_t size = strlen(line) + 1;
    if (size > sizeof waiting - waiting_length) return;
    memcpy(waiting + waiting_length, line, size);
    waiting_length += size;
  }
}

void log_flush(void) {
  for (size_t at = 0; at < waiting_length; at += strlen(waiting + at) + 1) send(waiting + at);
  waiting_length = 0;
}

void platform_log(const char *format, ...) {
  char line[LINE_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  log_line(line);
}
