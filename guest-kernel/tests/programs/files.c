/* stdio, directories, links, pipes, poll: through a C library as programs use them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

static void stdio(void) {
  FILE *file = fopen("text", "w+");
  CHECK(file);
  for (int i = 0; i < 10000; i++) CHECK(fprintf(file, "line %d\n", i) > 0);
  rewind(file);
  char line[64];
  int count = 0;
  while (fgets(line, sizeof line, file)) CHECK(atoi(line + 5) == count++);
  CHECK(count == 10000 && feof(file));
  CHECK(fseek(file, -5, SEEK_END) == 0 && fread(line, 1, 10, file) == 5 && !memcmp(line, "9999\n", 5));
  fclose(file);
  file = fopen("text", "a");
  CHECK(file && fputs("tail", file) >= 0 && ftell(file) == 98894 && fclose(file) == 0);
  struct stat status;
  CHECK(stat("text", &status) == 0 && status.st_size == 98894 && S_ISREG(status.st_mode));
  file = tmpfile();
  CHECK(file && fputs("temporary", file) >= 0 && fclose(file) == 0);
  PASS("stdio");
}

static void directories(void) {
  CHECK(mkdir("dir", 0755) == 0 && mkdir("dir", 0755) == -1 && errno == EEXIST);
  for (int i = 0; i < 300; i++) {
    char name[32];
    snprintf(name, sizeof name, "dir/file%03d", i);
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
  }
  DIR *directory = opendir("dir");
  CHECK(directory);
  int count = 0;
  struct dirent *entry;
  while ((entry = readdir(directory))) {
    if (entry->d_name[0] == '.') continue;
    CHECK(entry->d_type == DT_REG && unlinkat(dirfd(directory), entry->d_name, 0) == 0);
    count++;
  }
  CHECK(count == 300);
  closedir(directory);
  char here[1000], there[1000];
  CHECK(getcwd(here, sizeof here) && chdir("dir") == 0 && getcwd(there, sizeof there));
  CHECK(!strncmp(here, there, strlen(here)) && strstr(there, "/dir") && chdir("..") == 0);
  CHECK(rmdir("dir") == 0 && access("dir", F_OK) == -1 && errno == ENOENT);
  PASS("directories");
}

static void links(void) {
  struct stat a, b;
  CHECK(symlink("text", "soft") == 0 && link("text", "hard") == 0);
  CHECK(stat("soft", &a) == 0 && stat("hard", &b) == 0 && a.st_ino == b.st_ino && a.st_nlink == 2);
  CHECK(lstat("soft", &a) == 0 && S_ISLNK(a.st_mode) && a.st_size == 4);
  char target[100];
  CHECK(readlink("soft", target, sizeof target) == 4 && !memcmp(target, "text", 4));
  char *real = realpath("soft", NULL);
  CHECK(real && !strcmp(strrchr(real, '/'), "/text"));
  free(real);
  CHECK(rename("hard", "renamed") == 0 && unlink("renamed") == 0 && unlink("soft") == 0);
  CHECK(symlink("circle", "circle") == 0 && open("circle", O_RDONLY) == -1 && errno == ELOOP && unlink("circle") == 0);
  char name[] = "tempXXXXXX";
  int fd = mkstemp(name);
  CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0 && unlink(name) == 0);
  PASS("links");
}

static void pipes(void) {
  int ends[2];
  char text[10] = {0};
  CHECK(pipe(ends) == 0 && write(ends[1], "hello", 5) == 5);
  struct pollfd polls[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = ends[1], .events = POLLOUT}};
  CHECK(poll(polls, 2, -1) == 2 && polls[0].revents == POLLIN && polls[1].revents == POLLOUT);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  struct timeval none = {0};
  CHECK(select(ends[0] + 1, &set, NULL, NULL, &none) == 1 && FD_ISSET(ends[0], &set));
  CHECK(read(ends[0], text, sizeof text) == 5 && !strcmp(text, "hello"));
  CHECK(poll(polls, 1, 10) == 0);
  CHECK(close(ends[1]) == 0 && read(ends[0], text, 1) == 0);
  CHECK(poll(polls, 1, 0) == 1 && polls[0].revents & POLLHUP);
  PASS("pipes and polling");
}

static void moving(void) {
  int in = open("text", O_RDONLY), out = open("copy", O_CREAT | O_RDWR | O_TRUNC, 0644);
  CHECK(sendfile(out, in, NULL, 200000) == 98894);
  CHECK(copy_file_range(in, &(off_t){0}, out, &(off_t){10}, 5, 0) == 5);
  char text[10];
  struct iovec parts[2] = {{text, 5}, {text + 5, 5}};
  CHECK(preadv(out, parts, 2, 10) == 10 && !memcmp(text, "line ", 5));
  CHECK(ftruncate(out, 3) == 0 && lseek(out, 0, SEEK_END) == 3);
  CHECK(posix_fallocate(out, 0, 5000) == 0 && lseek(out, 0, SEEK_END) == 5000);
  CHECK(fcntl(out, F_GETFL) & O_RDWR && dup2(out, 77) == 77 && fsync(77) == 0 && close(77) == 0);
  struct timespec times[2] = {{1, 2}, {3, 4}};
  struct stat status;
  CHECK(futimens(out, times) == 0 && fstat(out, &status) == 0 && status.st_mtim.tv_sec == 3 && status.st_mtim.tv_nsec == 4);
  CHECK(fchmod(out, 0640) == 0 && fstat(out, &status) == 0 && (status.st_mode & 07777) == 0640);
  close(in);
  close(out);
  CHECK(unlink("copy") == 0 && unlink("text") == 0);
  struct statvfs filesystem;
  CHECK(statvfs("/", &filesystem) == 0 && filesystem.f_bfree > 0 && filesystem.f_namemax == 255);
  PASS("moving bytes");
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  char directory[] = "/tmp/cloister-files-XXXXXX";
  CHECK(mkdtemp(directory) && chdir(directory) == 0);
  stdio();
  directories();
  links();
  pipes();
  moving();
  CHECK(chdir("/") == 0 && rmdir(directory) == 0);
  return 0;
}
