/*
 * What the steps of an opening share (connect.c, probe.c): a command is submitted, waited for, and
 * its refusal becomes the reason why the opening fails. Inside imap/, in the connection's thread.
 */
#ifndef OUTLOOKFS_IMAP_OPENING_H
#define OUTLOOKFS_IMAP_OPENING_H

#include "imap/failure.h"
#include "imap/pipeline.h"

/* How one command of the opening ended. It must stay where it is until then. */
struct imap_step {
    bool refused; /* by a reply, which tells more than the BYE that may follow at once */
    enum imap_error error;
    enum imap_code_kind code;
    struct imap_span text; /* points into said */
    char said[IMAP_QUOTE_MAX];
    struct imap_failure failure;
};

/* An imap_done_fn; `step` is the struct imap_step. */
void imap_step_done(void *step, const struct imap_completion *completion);

/* Submits a command without arguments or a fixed line; IMAP_OK or IMAP_ERR_MEMORY. */
enum imap_error imap_opening_submit(struct imap_connection *c, const char *line,
                                    enum imap_request_kind kind, struct imap_step *step)
    __attribute__((warn_unused_result));

/* Waits until everything submitted was answered; IMAP_OK, or what ended the connection. */
enum imap_error imap_opening_settle(struct imap_connection *c) __attribute__((warn_unused_result));

/* The opening fails for this reason, whatever else ended the connection meanwhile. Returns it. */
enum imap_error imap_opening_fail_as(struct imap_connection *c, const struct imap_failure *failure);
enum imap_error imap_opening_fail(struct imap_connection *c, enum imap_error error,
                                  const char *text);

/* The last step, once signed in (probe.c): CAPABILITY, ID, NAMESPACE or NOOP, ENABLE, COMPRESS.
 */
enum imap_error imap_opening_probe(struct imap_connection *c) __attribute__((warn_unused_result));

#endif
