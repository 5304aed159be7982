/*
 * See secret.h. Both are needed: a core_pattern that pipes to a collector of crashes ignores the
 * limit on core files, but nothing is dumped of a process that is not dumpable. That flag also
 * gives /proc/PID of this process to root; within the process itself /proc/self works as before,
 * save that files there which only their owner can open (environ, mem) are no longer ours.
 */
#include <sys/prctl.h>
#include <sys/resource.h>

#include "auth/secret.h"
#include "base/log.h"

void auth_process_protect(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        log_warn("this process may leave a core file when it fails");
}
