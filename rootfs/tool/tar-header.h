/* One block of the archive as it lies there. POSIX.1-2008, pax, "ustar Header Block" */
#ifndef TAR_HEADER_H
#define TAR_HEADER_H

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2];
	char user[32], group[32], device_major[8], device_minor[8], prefix[155], padding[12];
};
_Static_assert(sizeof(struct tar_header) == 512, "one block");

#endif
