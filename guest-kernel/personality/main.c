/* The personality's boot, top to bottom: memory, files, what to run, its image and stack, and in. */
#include "cpio.h"
#include "device.h"
#include "elf.h"
#include "file.h"
#include "fpu.h"
#include "window.h"
#include "path.h"
#include "proc.h"
#include "process.h"
#include "stack.h"
#include "stream.h"

static void build_tree(void);
static void find_program(struct lookup *program);
static void enter_directory(void);
static void take_names(const char *path);

void personality_main(void) {
  window_init();
  tree_init();
  build_tree();
  platform_wait_args(&process.args);

  static struct lookup program;
  static char path[PATH_MAX];
  struct image image;
  find_program(&program);
  enter_directory();
  process.executable = program.inode;
  program.inode->opens++;
  const char *name = inode_path(program.inode, path, sizeof path);
  take_names(name ? name : process.args.path);
  elf_load(process.args.path, program.inode->data.bytes, program.inode->data.size, &image);
  int64_t stack = stack_build(&process.args, name ? name : process.args.path, &image);
  if (stack == -E2BIG) elf_refuse(process.args.path, "its arguments and environment are too long");
  if (stack < 0) {
    platform_log("cannot run %s: no memory for its stack", process.args.path);
    platform_exit(137, 0, CLOISTER_EXIT_OUT_OF_MEMORY);
  }
  streams_open();
  fpu_reset();
  platform_activate_program();
  platform_enter_program(image.entry, (uint64_t)stack);
}

static void build_tree(void) {
  if (boot_facts.root_cpio) cpio_unpack(boot_facts.root_cpio, boot_facts.root_cpio_size);
  tree_make(tree_root, "tmp", S_IFDIR | 01777);
  devices_init();
  proc_init();
}

static const char *variable(const char *name) {
  size_t length = strlen(name);
  for (int i = 0; i < process.args.envc; i++)
    if (!strncmp(process.args.envp[i], name, length) && process.args.envp[i][length] == '=')
      return process.args.envp[i] + length + 1;
  return NULL;
}

static void not_found(const char *reason) __attribute__((noreturn));
static void not_found(const char *reason) {
  platform_log("cannot run %s: %s", process.args.path, reason);
  platform_exit(127, 0, CLOISTER_EXIT_NOT_FOUND);
}

/* A name without a slash is looked for along PATH, as execvp does. */
static bool search_path(struct lookup *program) {
  static char candidate[PATH_MAX];
  const char *at = variable("PATH");
  if (!at) at = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (;;) {
    size_t length = 0;
    while (at[length] && at[length] != ':') length++;
    int written = snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, at, process.args.path);
    if (length && written < (int)sizeof candidate && !path_lookup(tree_root, candidate, PATH_FOLLOW, program) &&
        program->inode && inode_is(program->inode, S_IFREG) && program->inode->mode & 0111)
      return true;
    if (!at[length]) return false;
    at += length + 1;
  }
}

static void find_program(struct lookup *program) {
  const char *path = process.args.path;
  if (!strchr(path, '/')) {
    if (!search_path(program)) not_found("it is not in PATH");
    return;
  }
  int error = path_lookup(tree_root, path, PATH_FOLLOW, program);
  if (error == -ELOOP) not_found("too many symbolic links");
  if (error || !program->inode) not_found("no such file");
  if (program->inode->ops != &regular_ops) elf_refuse(path, "it is not a regular file");
  if (!(program->inode->mode & 0111)) elf_refuse(path, "it has no execute permission");
}

static void enter_directory(void) {
  struct lookup found;
  const char *path = process.args.cwd && *process.args.cwd ? process.args.cwd : "/";
  int error = path_lookup(tree_root, path, PATH_FOLLOW, &found);
  if (error || !found.inode || !inode_is(found.inode, S_IFDIR)) not_found("its working directory is not in the file tree");
  process.directory = found.inode;
  process.directory->opens++;
}

static bool renamed;

void personality_renamed(const char *hostname) {
  snprintf(process.hostname, sizeof process.hostname, "%s", hostname);
  renamed = true;
}

/* What uname and the process list will say. */
static void take_names(const char *path) {
  const char *hostname = variable("HOSTNAME"), *base = strrchr(path, '/');
  if (hostname && *hostname && !renamed) personality_renamed(hostname);
  snprintf(process.name, sizeof process.name, "%s", base ? base + 1 : path);
}
