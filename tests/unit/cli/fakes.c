/* See fakes.h. fs_mount always fails, after a noise on stderr such as fusermount3 makes. */
#include "tests/unit/cli/fakes.h"

#include <stdio.h>
#include <unistd.h>

#include "fs/fs.h"
#include "message/summary.h"

enum sync_error fake_sync_error = SYNC_OK;
const char *fake_sync_text = "";
static char object;

void message_init(void)
{
}

enum sync_error sync_start(struct sync **sync, const struct sync_settings *settings, char *text)
{
    snprintf(text, SYNC_TEXT_MAX, "%s", fake_sync_text);
    *sync = fake_sync_error == SYNC_OK ? (struct sync *)(void *)&object : NULL;
    return fake_sync_error;
}

void sync_stop(struct sync **sync)
{
    *sync = NULL;
}

bool sync_status_json(struct sync *sync, struct buffer *out)
{
    return buffer_append_text(out, "{}");
}

bool sync_status_text(struct sync *sync, struct buffer *out)
{
    return buffer_append_text(out, "fine\n");
}

struct fs *fs_mount(const struct fs_settings *settings, struct sync *sync, char *text)
{
    static const char noise[] = "one\nfusermount3: no such device\n";
    ssize_t ignored = write(STDERR_FILENO, noise, sizeof noise - 1);
    (void)ignored;
    snprintf(text, SYNC_TEXT_MAX, "cannot mount");
    return NULL;
}

int fs_serve(struct fs *fs)
{
    return 0;
}

void fs_unmount(struct fs **fs)
{
    *fs = NULL;
}
