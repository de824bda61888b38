/* The kernel's printf: integers, strings and pointers, nothing else. */
#include "format.h"

#include <stdbool.h>
#include <stdint.h>

#include "string.h"

struct output {
  char *buffer;
  size_t size, length;
};

struct directive {
  bool left, zero;
  int width, precision; /* precision -1: none given */
  int longs;            /* l, ll, z: at least 1 */
};

static void put(struct output *out, char byte) {
  if (out->length + 1 < out->size) out->buffer[out->length] = byte;
  out->length++;
}

static void put_padded(struct output *out, const struct directive *how, const char *sign, const char *text, int length) {
  int total = (int)strlen(sign) + length;
  if (!how->left && !how->zero)
    for (int i = total; i < how->width; i++) put(out, ' ');
  for (; *sign; sign++) put(out, *sign);
  if (!how->left && how->zero)
    for (int i = total; i < how->width; i++) put(out, '0');
  for (int i = 0; i < length; i++) put(out, text[i]);
  if (how->left)
    for (int i = total; i < how->width; i++) put(out, ' ');
}

static void put_number(struct output *out, const struct directive *how, const char *sign, uint64_t value, unsigned base,
                       const char *digits) {
  char text[24];
  int at = sizeof text;
  do text[--at] = digits[value % base];
  while (value /= base);
  put_padded(out, how, sign, text + at, (int)sizeof text - at);
}

static int parse_number(const char **format, va_list *args) {
  if (**format == '*') {
    (*format)++;
    return va_arg(*args, int);
  }
  int value = 0;
  for (; **format >= '0' && **format <= '9'; (*format)++)
    if (value < 1000) value = value * 10 + (**format - '0');
  return value;
}

static void put_string(struct output *out, struct directive *how, const char *text) {
  if (!text) text = "(null)";
  size_t length = how->precision >= 0 ? strnlen(text, (size_t)how->precision) : strlen(text);
  how->zero = false;
  put_padded(out, how, "", text, (int)length);
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments) {
  static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
  struct output out = {buffer, size, 0};
  va_list args;
  va_copy(args, arguments);
  for (; *format; format++) {
    if (*format != '%') {
      put(&out, *format);
      continue;
    }
    struct directive how = {.precision = -1};
    for (format++; *format == '-' || *format == '0'; format++) *(*format == '-' ? &how.left : &how.zero) = true;
    how.width = parse_number(&format, &args);
    if (*format == '.') {
      format++;
      how.precision = parse_number(&format, &args);
    }
    for (; *format == 'l' || *format == 'z' || *format == 'h'; format++) how.longs += *format != 'h';

    if (!*format) break;
    if (*format == 'd' || *format == 'i') {
      int64_t value = how.longs ? va_arg(args, int64_t) : va_arg(args, int);
      put_number(&out, &how, value < 0 ? "-" : "", value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, lower);
    } else if (*format == 'u' || *format == 'x' || *format == 'X') {
      uint64_t value = how.longs ? va_arg(args, uint64_t) : va_arg(args, unsigned);
      put_number(&out, &how, "", value, *format == 'u' ? 10 : 16, *format == 'X' ? upper : lower);
    } else if (*format == 'p') {
      put_number(&out, &how, "0x", va_arg(args, uintptr_t), 16, lower);
    } else if (*format == 's') {
      put_string(&out, &how, va_arg(args, const char *));
    } else if (*format == 'c') {
      char byte = (char)va_arg(args, int);
      put_padded(&out, &how, "", &byte, 1);
    } else {
      put(&out, *format);
    }
  }
  va_end(args);
  if (size) buffer[out.length < size ? out.length : size - 1] = 0;
  return (int)out.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = vsnprintf(buffer, size, format, args);
  va_end(args);
  return length;
}
