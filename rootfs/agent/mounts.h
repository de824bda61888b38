/*
 * Mounts that outlast this machine: disks that are written to, directories of the host. Of what is only in memory nothing
 * is left anyway, and a disk that was written to without being mounted is brought up to date by its being closed.
 */
#ifndef MOUNTS_H
#define MOUNTS_H

/* From now on it is noticed when somebody mounts something. */
void mounts_watch(void);
/* What was mounted so far does not count... */
void mounts_expected(void);
/* ...but for what we mounted ourselves so that it lasts. */
void mounts_lasting(void);
/* Programs stand still: what a clone must not find half-written in a directory of the host is written. */
void mounts_sync(void);
/* At the end, when nobody writes any more: what lasts is up to date and unmounted. Quick when there is nothing. */
void mounts_settle(void);

#endif
