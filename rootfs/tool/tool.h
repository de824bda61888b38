/*
 * Programs of ours that work inside an instance, among its files and its processes: `cloister cp` and `cloister top` run
 * them. Linked into the agent of a microVM (tool_main in a child of its own, root directory and streams in place), and into
 * one static program for containers. Each says what went wrong in one line on standard error and ends with 1.
 */
#ifndef TOOL_H
#define TOOL_H

/*
 * argv[0] is the name:
 *   copy-out [-L] [-p] PATH   writes PATH as a tar to standard output; its first entry is PATH itself
 *   copy-in [-p] PATH         reads one from standard input and makes it at PATH, or below it
 *   processes                 one JSON object a line for each process but itself
 * @returns the exit status
 */
int tool_main(int argc, char **argv);

int copy_out(int argc, char **argv);
int copy_in(int argc, char **argv);
int processes(void);

/* The line on standard error: `what: why`, why being errno's text unless `why` is given. Answers 1. */
int fail(const char *what, const char *why);
/* One thing that is left out; after some of them only their number is said, by leave_out_total. */
void leave_out(const char *name, const char *why);
void leave_out_total(void);

#endif
