/* See opening.h. */
#include "imap/opening.h"

#include <string.h>

void imap_step_done(void *ctx, const struct imap_completion *completion)
{
    struct imap_step *step = ctx;
    step->error = completion->error;
    step->failure = *completion->failure;
    if (completion->response == NULL)
        return;
    struct imap_span text = completion->response->status.text;
    step->refused = step->error != IMAP_OK;
    step->code = completion->response->status.code.kind;
    step->text.data = step->said;
    step->text.len = text.len < sizeof step->said ? text.len : sizeof step->said;
    if (step->text.len > 0)
        memcpy(step->said, text.data, step->text.len);
}

enum imap_error imap_opening_submit(struct imap_connection *c, const char *line,
                                    enum imap_request_kind kind, struct imap_step *step)
{
    *step = (struct imap_step){0};
    return imap_pipeline_submit_lines(c, line, NULL, kind, imap_step_done, step);
}

enum imap_error imap_opening_settle(struct imap_connection *c)
{
    enum imap_error error = c->ended ? c->failure.error : IMAP_OK;
    while (error == IMAP_OK && c->in_flight > 0)
        error = imap_connection_step(c, -1, -1);
    return error;
}

enum imap_error imap_opening_fail_as(struct imap_connection *c, const struct imap_failure *failure)
{
    c->ended = false;
    imap_connection_end(c, failure);
    return failure->error;
}

enum imap_error imap_opening_fail(struct imap_connection *c, enum imap_error error,
                                  const char *text)
{
    struct imap_failure failure;
    imap_failure_set(&failure, error, "%s: %s", c->settings.host, text);
    return imap_opening_fail_as(c, &failure);
}
