/* See json.h. */
#include "json.h"

#include <stdio.h>
#include <string.h>

static bool first_member = true;

void key(const char *name)
{
	printf("%s\"%s\":", first_member ? "" : ",", name);
	first_member = false;
}

static void text_value(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

void text_member(const char *name, const char *text)
{
	key(name);
	if (text == NULL)
		fputs("null", stdout);
	else
		text_value(text);
}

void number_member(const char *name, int64_t value)
{
	key(name);
	if (value < 0)
		fputs("null", stdout);
	else
		printf("%lld", (long long)value);
}

void truth_member(const char *name, int value)
{
	key(name);
	fputs(value < 0 ? "null" : value ? "true" : "false", stdout);
}

void list_add(struct list *list, const char *text)
{
	for (int i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return;
	if (list->count < 64)
		snprintf(list->items[list->count++], 64, "%s", text);
}

void list_member(const char *name, const struct list *list, bool known)
{
	key(name);
	if (!known) {
		fputs("null", stdout);
		return;
	}
	putchar('[');
	for (int i = 0; i < list->count; i++) {
		if (i > 0)
			putchar(',');
		text_value(list->items[i]);
	}
	putchar(']');
}
