/* See control.h: what both sides share, names and addresses. The hash is FNV-1a of 64 bits: it
 * spreads paths, it guards nothing; the answer says which mountpoint it is for. */
#include "cli/control.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

void control_name(const char *mountpoint, char name[CONTROL_NAME_MAX])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = mountpoint; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    snprintf(name, CONTROL_NAME_MAX, "%016llx.sock", (unsigned long long)hash);
}

void control_address(int dirfd, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%.64s", dirfd, name);
}
