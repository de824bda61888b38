/* What to run: the ARGS message of the control port, or the command line after " -- ". */
#include <stddef.h>

#include "abi.h"
#include "boot.h"
#include "console.h"
#include "control.h"
#include "platform.h"
#include "streams.h"
#include "string.h"
#include "traps.h"

#define WORDS_MAX 256
#define PORT_WAIT_NS 100000000ull

/* --- from the host --- */

/* The next NUL-ended string of the message; past its last one this is a message that lies. */
static const char *next_string(const uint8_t **at, const uint8_t *end) {
  const char *text = (const char *)*at;
  const uint8_t *nul = memchr(*at, 0, (size_t)(end - *at));
  if (!nul) platform_panic("ARGS message with fewer strings than it says");
  *at = nul + 1;
  return text;
}

static void parse_message(uint8_t *message, size_t length, size_t area, struct program_args *args) {
  struct cloister_args header;
  if (length < sizeof header) platform_panic("ARGS message of %lu bytes", length);
  memcpy(&header, message, sizeof header);
  const uint8_t *at = message + sizeof header, *end = message + length;
  size_t pointers_at = (length + 1 + 7) & ~7ul;
  /* Each string has at least its NUL: that bounds the counts before they are used for anything. */
  if ((uint64_t)header.argc + header.envc + 2 > length) platform_panic("ARGS message with too few strings");
  if ((header.argc + header.envc + 2ul) * sizeof(char *) > area - pointers_at) platform_panic("too many arguments");

  const char **pointers = (const char **)(message + pointers_at);
  args->path = next_string(&at, end);
  args->cwd = next_string(&at, end);
  args->argc = (int)header.argc;
  args->argv = pointers;
  for (unsigned i = 0; i < header.argc; i++) *pointers++ = next_string(&at, end);
  *pointers++ = NULL;
  args->envc = (int)header.envc;
  args->envp = pointers;
  for (unsigned i = 0; i < header.envc; i++) *pointers++ = next_string(&at, end);
  *pointers = NULL;
  args->flags = header.flags;
}

/* --- from the command line --- */

/* Words are parted by spaces; '...' and "..." keep them, \ takes the next character as it is. Unquotes in place. */
static int split_words(char *at, const char **words, int limit) {
  int count = 0;
  while (count < limit) {
    while (*at == ' ') at++;
    if (!*at) break;
    words[count++] = at;
    char *out = at, quote = 0;
    for (; *at && (quote || *at != ' '); at++) {
      if (*at == quote)
        quote = 0;
      else if (!quote && (*at == '"' || *at == '\''))
        quote = *at;
      else if (*at == '\\' && quote != '\'' && at[1])
        *out++ = *++at;
      else
        *out++ = *at;
    }
    if (*at) at++;
    *out = 0;
    if (strncmp(words[count - 1], "virtio_mmio.device=", 19) == 0) count--; /* QEMU appended it: not the program's */
  }
  words[count] = NULL;
  return count;
}

static void parse_command_line(const char *line, struct program_args *args) {
  static char text[4096];
  static const char *words[WORDS_MAX + 1];
  static const char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", NULL};
  memcpy(text, line, strlen(line) + 1);
  args->argc = split_words(text, words, WORDS_MAX);
  if (!args->argc) platform_panic("nothing to run: no program after \" -- \" on the command line");
  args->argv = words;
  args->path = words[0];
  args->cwd = "/";
  args->envp = environment;
  args->envc = 2;
  args->flags = CLOISTER_ARGS_STDIN;
}

void platform_wait_args(struct program_args *args) {
  const char *line = boot_program_line();
  uint64_t patience = platform_monotonic_ns() + PORT_WAIT_NS;
  uint8_t *message;
  size_t length, area;
  memset(args, 0, sizeof *args);

  if (line) {
    /* No control port is expected, but the device may still be about to open its ports. */
    while (console_starting() && platform_monotonic_ns() < patience) platform_sleep_until(patience, 0);
    parse_command_line(line, args);
  } else {
    if (!console_expects_control()) platform_panic("nothing to run: no control port, and no \" -- PROGRAM\" on the command line");
    while (!(message = control_args(&length, &area))) {
      service_interrupts();
      if (!control_args(&length, &area)) wait_for_interrupt();
    }
    parse_message(message, length, area, args);
  }
  streams_set_args(args->flags);
}
