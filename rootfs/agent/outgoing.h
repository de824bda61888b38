/* Frames on their way to the host. What is said in one turn of the loop leaves in one piece: a packet is what costs. */
#ifndef OUTGOING_H
#define OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What any frame of the agent but output takes at most. */
enum { ANSWER_MAX = 2048 };

/* Room for that many bytes of frames, headers included. */
bool outgoing_has_room(size_t bytes);
/*
 * A frame is begun, given its parts, and ended; the caller has seen to room. Without a connection it goes nowhere.
 * For output the bytes are read straight into it: frame_space says where, and how many fit so that
 * `spare` bytes stay free.
 */
void frame_begin(uint16_t type, uint16_t session);
void frame_u16(uint16_t value);
void frame_u32(uint32_t value);
void frame_text(const char *text);
uint8_t *frame_space(size_t spare, size_t *most);
void frame_took(size_t bytes);
void frame_end(void);
void frame_drop(void);

/* For the connection: whether there is anything, away with it, and as much of it into the socket as it takes. */
bool outgoing_waits(void);
void outgoing_clear(void);
/* @returns false when the connection is gone */
bool outgoing_send(int fd);

#endif
