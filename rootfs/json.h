/* One JSON object on standard output, member after member. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A growing array of distinct strings, at most 64 of 63 bytes. */
struct list {
	char items[64][64];
	int count;
};

/* The caller writes the value. */
void key(const char *name);
/* NULL is null. */
void text_member(const char *name, const char *text);
/* Negative stands for "cannot be known here", in both. */
void number_member(const char *name, int64_t value);
void truth_member(const char *name, int value);
void list_add(struct list *list, const char *text);
void list_member(const char *name, const struct list *list, bool known);
