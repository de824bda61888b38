/* socket, bind, connect, sendto, recvfrom, setsockopt: for ICMP. Other kinds of sockets are ENOSYS, as the log says. */
#include <asm/unistd.h>
#include <linux/in.h>

#include "fd.h"
#include "memory.h"
#include "socket.h"
#include "syscall.h"

#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MESSAGE_MAX 65536ul

int64_t sys_socket(const uint64_t arg[6]) {
  int family = (int)arg[0], kind = (int)arg[1], type = kind & SOCK_TYPE;
  if (family != AF_INET || (type != SOCK_RAW && type != SOCK_DGRAM) || (int)arg[2] != IPPROTO_ICMP)
    return syscall_unsupported(__NR_socket);
  if (kind & ~(SOCK_TYPE | SOCK_CLOEXEC | SOCK_NONBLOCK)) return -EINVAL;
  struct inode *inode = socket_new(type);
  if (!inode) return -ENOMEM;
  struct file *file;
  int error = file_open(inode, O_RDWR | ((uint32_t)kind & SOCK_NONBLOCK), &file);
  if (error) {
    inode_release(inode);
    return error;
  }
  return fd_install(file, 0, kind & SOCK_CLOEXEC);
}

static int socket_file(uint64_t fd, struct file **file) {
  *file = fd_file((int)fd);
  if (!*file) return -EBADF;
  return (*file)->ops == &socket_ops ? 0 : -ENOTSOCK;
}

/* The address behind a pointer and a length; 0 for none. */
static int read_address(uint64_t pointer, uint64_t length, uint32_t *address) {
  struct sockaddr_in name;
  *address = 0;
  if (!pointer) return 0;
  if ((uint32_t)length < sizeof name) return -EINVAL;
  if (copy_from_user(&name, pointer, sizeof name)) return -EFAULT;
  if (name.sin_family != AF_INET && name.sin_family != AF_UNSPEC) return -EAFNOSUPPORT;
  if (name.sin_family == AF_INET) *address = name.sin_addr.s_addr;
  return 0;
}

/* As much of it as there is room for, and how long it really is. */
static int write_address(uint64_t pointer, uint64_t length_pointer, uint32_t address) {
  const struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = address};
  int length;
  if (!pointer) return 0;
  if (copy_from_user(&length, length_pointer, sizeof length)) return -EFAULT;
  if (length < 0) return -EINVAL;
  if (copy_to_user(pointer, &name, min_size((size_t)length, sizeof name))) return -EFAULT;
  length = sizeof name;
  return copy_to_user(length_pointer, &length, sizeof length);
}

int64_t sys_connect(const uint64_t arg[6]) {
  struct file *file;
  uint32_t address;
  int error = socket_file(arg[0], &file);
  if (!error) error = arg[1] ? read_address(arg[1], arg[2], &address) : -EFAULT;
  if (!error) socket_connect(file, address);
  return error;
}

/* There is one address to bind to: all of them mean it. */
int64_t sys_bind(const uint64_t arg[6]) {
  struct file *file;
  uint32_t address;
  int error = socket_file(arg[0], &file);
  return error ? error : arg[1] ? read_address(arg[1], arg[2], &address) : -EFAULT;
}

/* Options are about what does not exist here: buffer sizes, broadcast rights, filters. They are taken and forgotten. */
int64_t sys_setsockopt(const uint64_t arg[6]) {
  struct file *file;
  int error = socket_file(arg[0], &file);
  if (error) return error;
  if ((int)arg[1] == IPPROTO_IP && (int)arg[2] == IP_HDRINCL) return -ENOPROTOOPT;
  return user_range(arg[3], (uint32_t)arg[4], MAP_READ) ? 0 : -EFAULT;
}

int64_t sys_sendto(const uint64_t arg[6]) {
  struct file *file;
  uint32_t to = 0;
  int error = socket_file(arg[0], &file);
  if (!error) error = read_address(arg[4], arg[5], &to);
  if (error) return error;
  if (arg[2] > MESSAGE_MAX) return -EMSGSIZE;
  const void *bytes = user_range(arg[1], arg[2], MAP_READ);
  return bytes ? socket_send(file, bytes, arg[2], to) : -EFAULT;
}

int64_t sys_recvfrom(const uint64_t arg[6]) {
  struct file *file;
  uint32_t from;
  size_t whole;
  int error = socket_file(arg[0], &file);
  if (error) return error;
  size_t count = min_size(arg[2], MESSAGE_MAX);
  void *bytes = user_range(arg[1], count, MAP_WRITE);
  if (!bytes || (arg[4] && !user_range(arg[5], sizeof(int), MAP_WRITE))) return -EFAULT;
  ssize_t got = socket_receive(file, bytes, count, !((int)arg[3] & MSG_DONTWAIT), &from, &whole);
  if (got < 0) return got;
  error = write_address(arg[4], arg[5], from);
  return error ? error : (int)arg[3] & MSG_TRUNC ? (int64_t)whole : got;
}
