#ifndef CLOISTER_LOG_H
#define CLOISTER_LOG_H

/* One line to wherever the log goes now; lines that come before anything can carry them wait. */
void log_line(const char *line);
/* The control port is open: send what waited. */
void log_flush(void);

#endif
