#include "settings.h"

#include <stddef.h>

#include "string.h"
#include "wire.h"

enum field { CLIENT, SERVER, GATEWAY, NETMASK, HOSTNAME, DEVICE, AUTOCONF, FIELDS };

struct piece {
  const char *text;
  size_t length;
};

/* Four decimal numbers and their dots; the empty piece is address 0. */
static bool parse_address(struct piece piece, uint32_t *address) {
  uint32_t value = 0, number = 0;
  unsigned digits = 0, dots = 0;
  *address = 0;
  if (!piece.length) return true;
  for (size_t i = 0; i <= piece.length; i++) {
    char c = i < piece.length ? piece.text[i] : '.';
    if (c >= '0' && c <= '9') {
      number = number * 10 + (uint32_t)(c - '0');
      if (++digits > 3 || number > 255) return false;
      continue;
    }
    if (c != '.' || !digits || dots == 4) return false;
    value = value << 8 | number;
    number = digits = 0;
    dots++;
  }
  *address = big32(value);
  return dots == 4;
}

static bool is(struct piece piece, const char *word) {
  return piece.length == strlen(word) && memcmp(piece.text, word, piece.length) == 0;
}

/* As Linux does without a netmask: by the class of old. */
static uint32_t usual_netmask(uint32_t address) {
  uint32_t first = big32(address) >> 24;
  return big32(first < 128 ? 0xff000000 : first < 192 ? 0xffff0000 : 0xffffff00);
}

bool net_settings_parse(const char *text, struct net_settings *settings) {
  struct piece pieces[FIELDS] = {{NULL, 0}};
  unsigned count = 0;
  *settings = (struct net_settings){0};
  for (const char *start = text;; text++) {
    if (*text && *text != ' ' && *text != ':') continue;
    if (count < FIELDS) pieces[count++] = (struct piece){start, (size_t)(text - start)};
    if (*text != ':') break;
    start = text + 1;
  }
  if (count == 1 && (is(pieces[0], "off") || is(pieces[0], "none"))) return true;
  struct piece how = pieces[AUTOCONF];
  if (how.length && !is(how, "off") && !is(how, "none")) return false;
  if (!parse_address(pieces[CLIENT], &settings->address) || !parse_address(pieces[GATEWAY], &settings->gateway) ||
      !parse_address(pieces[NETMASK], &settings->netmask)) {
    *settings = (struct net_settings){0};
    return false;
  }
  if (!settings->netmask) settings->netmask = usual_netmask(settings->address);
  uint32_t host_bits = ~big32(settings->netmask);
  if (!settings->address || host_bits & (host_bits + 1)) {
    *settings = (struct net_settings){0};
    return false;
  }
  return true;
}
