/*
 * An accounts.json of any content. It is taken or refused with one line that names the file; what
 * is taken holds for every account that it lists.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/config.h"
#include "cli/report.h"
#include "tests/fuzz/fuzz.h"

static void try_account(const char *path, const char *account)
{
    char why[CLI_TEXT_MAX] = "";
    struct mount_options options;
    options_init(&options);
    if (config_apply(path, account, &options, why))
        (void)!options_finish(&options, account, why);
    else
        check(strncmp(why, path, strlen(path)) == 0);
    options_free(&options);
}

static void visit(void *path, const char *account)
{
    try_account(path, account);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], why[CLI_TEXT_MAX];
    int fd = memfd_create("accounts", MFD_CLOEXEC);
    check(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    try_account(path, "me@x");
    (void)!config_each(path, visit, path, why);
    close(fd);
    return 0;
}
