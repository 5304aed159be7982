/*
 * The last step of an opening, once the server took the sign-in. See opening.h.
 *
 * Outlook accepts a sign-in whose mailbox it will not open, and says so only at the next command
 * (OUTLOOK.md section 1), so one is sent: NAMESPACE, or NOOP. It costs no round trip of its own,
 * since it shares one with CAPABILITY and ID. So do ENABLE and COMPRESS, behind which nothing may
 * be sent before its answer (RFC 4978 section 3): it is the last of them, and all are waited for
 * anyway. What ENABLE brought says its untagged answer (dispatch.c); a refusal changes nothing.
 */
#include "imap/opening.h"

static enum imap_error out_of_memory(struct imap_connection *c)
{
    return imap_opening_fail(c, IMAP_ERR_MEMORY, "out of memory");
}

/* Whether a refusal is about the connection, not about the command. */
static bool fatal(const struct imap_step *step)
{
    return step->refused && step->error != IMAP_ERR_NO && step->error != IMAP_ERR_BAD;
}

static enum imap_error submit_id(struct imap_connection *c, struct imap_step *step)
{
    struct imap_command command;
    *step = (struct imap_step){0};
    imap_command_id(&command, "outlookfs", OUTLOOKFS_VERSION);
    return imap_pipeline_submit(c, &command, IMAP_REQUEST_PLAIN, imap_step_done, step);
}

/* One verb, answered by OK or the end of the opening. */
static enum imap_error ask(struct imap_connection *c, const char *verb)
{
    struct imap_step step;
    if (imap_opening_submit(c, verb, IMAP_REQUEST_PLAIN, &step) != IMAP_OK)
        return out_of_memory(c);
    enum imap_error error = imap_opening_settle(c);
    if (!step.refused)
        return error;
    if (!fatal(&step)) /* no command works: the same ailment in other words */
        imap_failure_from_server(&step.failure, IMAP_ERR_UNUSABLE, c->settings.host, verb,
                                 step.text);
    return imap_opening_fail_as(c, &step.failure);
}

static bool enables(const struct imap_connection *c)
{
    return (c->capabilities & IMAP_CAP_QRESYNC) != 0;
}

static enum imap_error submit_enable(struct imap_connection *c, struct imap_step *step)
{
    return imap_opening_submit(c, "ENABLE QRESYNC", IMAP_REQUEST_PLAIN, step);
}

static bool compresses(const struct imap_connection *c)
{
    return c->settings.compress && (c->capabilities & IMAP_CAP_COMPRESS) != 0;
}

static enum imap_error submit_compress(struct imap_connection *c, struct imap_step *step)
{
    return imap_opening_submit(c, "COMPRESS DEFLATE", IMAP_REQUEST_COMPRESS, step);
}

/* For a server that names an extension only once it is asked again; a refusal changes nothing. */
static enum imap_error ask_for(struct imap_connection *c,
                               enum imap_error (*submit)(struct imap_connection *c,
                                                         struct imap_step *step))
{
    struct imap_step step;
    if (submit(c, &step) != IMAP_OK)
        return out_of_memory(c);
    enum imap_error error = imap_opening_settle(c);
    return fatal(&step) ? imap_opening_fail_as(c, &step.failure) : error;
}

enum imap_error imap_opening_probe(struct imap_connection *c)
{
    struct imap_step steps[5] = {{0}};
    bool names = (c->capabilities & IMAP_CAP_NAMESPACE) != 0;
    bool enabling = enables(c), compressing = compresses(c);
    imap_state_enter(c, IMAP_STATE_PROBE);
    if (imap_opening_submit(c, "CAPABILITY", IMAP_REQUEST_PLAIN, &steps[0]) != IMAP_OK ||
        ((c->capabilities & IMAP_CAP_ID) != 0 && submit_id(c, &steps[1]) != IMAP_OK) ||
        imap_opening_submit(c, names ? "NAMESPACE" : "NOOP", IMAP_REQUEST_PLAIN, &steps[2]) !=
            IMAP_OK ||
        (enabling && submit_enable(c, &steps[3]) != IMAP_OK) ||
        (compressing && submit_compress(c, &steps[4]) != IMAP_OK)) {
        out_of_memory(c);
        imap_pipeline_abort(c, &c->failure); /* before the steps go */
        return c->failure.error;
    }
    enum imap_error error = imap_opening_settle(c);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (fatal(&steps[i]))
            return imap_opening_fail_as(c, &steps[i].failure);
    }
    if (error == IMAP_OK && !enabling && enables(c))
        error = ask_for(c, submit_enable);
    if (error == IMAP_OK && !compressing && compresses(c))
        error = ask_for(c, submit_compress);
    if (error != IMAP_OK)
        return error;
    if (steps[2].refused)
        return ask(c, "NOOP");
    /* Servers that name NAMESPACE only once signed in, without saying so in the tagged OK. */
    if (!names && (c->capabilities & IMAP_CAP_NAMESPACE) != 0)
        return ask(c, "NAMESPACE");
    return IMAP_OK;
}
