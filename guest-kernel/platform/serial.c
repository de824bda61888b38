/* 16550 driver (National Semiconductor PC16550D data sheet, section 8). Ports need CPL0: each access is a call. */
#include "serial.h"

#include "abi.h"
#include "apic.h"
#include "layout.h"
#include "privileged.h"
#include "string.h"

#define THR (CLOISTER_IO_SERIAL + 0) /* transmitter holding; receiver buffer when read */
#define IER (CLOISTER_IO_SERIAL + 1) /* interrupt enable */
#define FCR (CLOISTER_IO_SERIAL + 2) /* FIFO control */
#define MCR (CLOISTER_IO_SERIAL + 4) /* modem control */
#define LSR (CLOISTER_IO_SERIAL + 5) /* line status */

#define IER_RECEIVED 1
#define FCR_ENABLE 1
#define MCR_DTR_RTS_OUT2 0xb /* OUT2 gates the interrupt line on a PC */
#define LSR_DATA_READY 1
#define LSR_THR_EMPTY 0x20
#define FIFO_SIZE 16
_Static_assert(FIFO_SIZE <= PRIVILEGED_STRING_MAX, "a full FIFO is one call");
#define SERIAL_GSI 4

static bool ready;

static void out(unsigned port, unsigned byte) { privileged(PRIVILEGED_OUT, byte, port); }
static unsigned in(unsigned port) { return (unsigned)privileged(PRIVILEGED_IN, 0, port); }

void serial_write(const void *bytes, size_t count) {
  const char *at = bytes;
  if (!ready) {
    out(FCR, FCR_ENABLE);
    ready = true;
  }
  while (count) {
    size_t chunk = count < FIFO_SIZE ? count : FIFO_SIZE;
    /* No port reads as 0xff, so this cannot hang without one. */
    while (!(in(LSR) & LSR_THR_EMPTY)) __builtin_ia32_pause();
    memcpy(privileged_string, at, chunk);
    privileged(PRIVILEGED_OUT_STRING, chunk, THR);
    at += chunk;
    count -= chunk;
  }
}

void serial_enable_input(void) {
  ioapic_route(SERIAL_GSI, VECTOR_SERIAL);
  out(MCR, MCR_DTR_RTS_OUT2);
  out(IER, IER_RECEIVED);
}

/* Nothing to acknowledge: the line falls when the receiver is empty. Who waits for input reads it. */
void serial_interrupted(void) {}

int serial_read(void) {
  unsigned status = in(LSR);
  return status != 0xff && status & LSR_DATA_READY ? (int)in(THR) : -1;
}
