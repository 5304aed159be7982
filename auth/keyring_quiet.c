/*
 * See keyring_quiet.h. A class derived from libsecret's: its constructor asks for the shared
 * connection, which ours takes back, and what it would do to prompt, ours refuses to do. (A prompt
 * that is never shown ends with the connection.)
 */
#include "auth/keyring_quiet.h"

typedef struct {
    SecretService parent;
} QuietService;

typedef struct {
    SecretServiceClass parent;
} QuietServiceClass;

GType quiet_service_get_type(void);
G_DEFINE_TYPE(QuietService, quiet_service, SECRET_TYPE_SERVICE)

static GError *refusal(void)
{
    return g_error_new_literal(SECRET_ERROR, SECRET_ERROR_IS_LOCKED, "it would ask the person");
}

static GVariant *refuse_sync(SecretService *self, SecretPrompt *prompt, GCancellable *cancel,
                             const GVariantType *type, GError **error)
{
    g_propagate_error(error, refusal());
    return NULL;
}

static void refuse(SecretService *self, SecretPrompt *prompt, const GVariantType *type,
                   GCancellable *cancel, GAsyncReadyCallback done, gpointer ctx)
{
    GTask *task = g_task_new(self, cancel, done, ctx);
    g_task_return_error(task, refusal());
    g_object_unref(task);
}

static GVariant *refuse_finish(SecretService *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* libsecret's own constructor asks for the shared connection; these properties can be set until the
 * constructor returns. */
static GObject *construct(GType type, guint count, GObjectConstructParam *parameters)
{
    GObject *object =
        G_OBJECT_CLASS(quiet_service_parent_class)->constructor(type, count, parameters);
    g_object_set(object, "g-bus-type", G_BUS_TYPE_NONE, NULL);
    return object;
}

static void quiet_service_class_init(QuietServiceClass *class)
{
    G_OBJECT_CLASS(class)->constructor = construct;
    class->parent.prompt_sync = refuse_sync;
    class->parent.prompt_async = refuse;
    class->parent.prompt_finish = refuse_finish;
}

static void quiet_service_init(QuietService *self)
{
}

SecretService *auth_keyring_quiet_service(GDBusConnection *bus, GCancellable *cancel,
                                          GError **error)
{
    return g_initable_new(quiet_service_get_type(), cancel, error, "flags",
                          SECRET_SERVICE_OPEN_SESSION, "g-connection", bus, NULL);
}
