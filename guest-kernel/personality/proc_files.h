/* What stands in each file of /proc. */
#ifndef PERSONALITY_PROC_FILES_H
#define PERSONALITY_PROC_FILES_H

struct text;

void proc_kernel_command_line(struct text *text);
void proc_cpuinfo(struct text *text);
void proc_filesystems(struct text *text);
void proc_loadavg(struct text *text);
void proc_meminfo(struct text *text);
void proc_stat(struct text *text);
void proc_uptime(struct text *text);
void proc_version(struct text *text);
void proc_cmdline(struct text *text);
void proc_comm(struct text *text);
void proc_environ(struct text *text);
void proc_maps(struct text *text);
void proc_mounts(struct text *text);
void proc_self_stat(struct text *text);
void proc_status(struct text *text);
void proc_hostname(struct text *text);
void proc_osrelease(struct text *text);
void proc_ostype(struct text *text);

#endif
