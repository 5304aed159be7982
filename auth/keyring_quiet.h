/*
 * libsecret's SecretService, with two differences. Internal to auth/.
 *
 * It speaks over a connection that is given. The one that GDBus shares in a process ends that
 * process by SIGTERM when the bus goes away, and can never be closed; a mount must outlive its
 * user's desktop.
 *
 * It never prompts. We unlock nothing, make no collection and write to no locked one; a service
 * that wants to ask the person all the same (some do, to confirm an access) names a prompt, which
 * libsecret would show. Here the call fails instead, as for a collection that is locked.
 */
#ifndef OUTLOOKFS_AUTH_KEYRING_QUIET_H
#define OUTLOOKFS_AUTH_KEYRING_QUIET_H

#include <libsecret/secret.h>

/* A new one, its session (which encrypts secrets on the bus) open. NULL with *error. */
SecretService *auth_keyring_quiet_service(GDBusConnection *bus, GCancellable *cancel,
                                          GError **error);

#endif
