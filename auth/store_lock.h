/*
 * Who may write the token file: one process, one thread at a time. Any thread. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_STORE_LOCK_H
#define OUTLOOKFS_AUTH_STORE_LOCK_H

#include "auth/store_file.h"

/* Waits at most `timeout_ms`, and until `cancel_fd` (-1: none) is readable. Closing *fd, or its
 * holder's death, lets the lock go. AUTH_ERR_TIMEOUT, AUTH_ERR_CANCELLED or AUTH_ERR_STORE. */
enum auth_error store_lock_take(const struct store_dir *dir, int timeout_ms, int cancel_fd, int *fd,
                                char *text) __attribute__((warn_unused_result));

#endif
