/* The dialogue with the Secret Service, which may block for long; keyring.c bounds it. */
#ifndef OUTLOOKFS_AUTH_KEYRING_SERVICE_H
#define OUTLOOKFS_AUTH_KEYRING_SERVICE_H

#include <gio/gio.h>

#include "auth/keyring.h"

/*
 * As auth_keyring_ask, on the bus at `address`. In a thread of its own, with all signals blocked,
 * as those of the threads that GLib starts from it will be. `cancel` ends it, from any thread, in
 * nearly every place (keyring.c tells which not); the answer is then AUTH_KEYRING_SILENT.
 */
enum auth_keyring_error auth_keyring_service_ask(const char *address,
                                                 enum auth_keyring_request request,
                                                 const char *account, GCancellable *cancel,
                                                 unsigned char key[AUTH_SEAL_KEY]);

#endif
