/*
 * What the files of a search share:
 *
 *   search.c        the object and its run, mailbox by mailbox
 *   search_ask.c    what goes to the server, as jobs
 *   search_match.c  what is decided here: rows, then bodies
 *   search_narrow.c which messages need not be looked at
 *   search_tell.c   explain, and what status says of the last ones
 *
 * A search belongs to the thread that runs it; what others touch is marked.
 */
#ifndef OUTLOOKFS_SYNC_SEARCH_INTERNAL_H
#define OUTLOOKFS_SYNC_SEARCH_INTERNAL_H

#include "message/query.h"
#include "sync/internal.h"
#include "sync/search.h"

enum {
    CRITERIA_MAX = 3800,          /* bytes of a UID SEARCH's arguments (OUTLOOK.md section 3) */
    SEARCH_MATCHES_MAX = 2000000, /* messages that one search may have to look at */
    ASK_SURE = 0,                 /* dates, sizes, flags */
    ASK_TEXT = 1,                 /* the same, and text in ASCII */
    ASKS = 2,
};

/* What one mailbox is asked, shared by the search and the job. */
struct search_ask {
    unsigned references;  /* protected by sync->lock */
    char *criteria[ASKS]; /* NULL: not asked */
    /* The worker's, and the search's once it was told SYNC_OK: */
    unsigned which; /* of the searches on their way, the next to be answered */
    unsigned left;  /* commands on their way */
    bool opened;    /* the mailbox was; else `error` says why not, or what broke off */
    enum imap_error error;
    uint32_t *uids[ASKS]; /* ascending */
    size_t counts[ASKS];
    bool came[ASKS];     /* a SEARCH response did */
    bool answered[ASKS]; /* and the command was OK */
    char refusal[200];
};

/* One mailbox of a search. */
struct search_leg {
    struct sync_search *search;
    int64_t mailbox;
    char *path;             /* as shown */
    bool dropped;           /* it is gone, or was never listed */
    uint64_t candidates;    /* of search->matches, those in it */
    bool text_away;         /* the text of one of these is not here */
    struct search_ask *ask; /* NULL: nothing was asked */
    sync_ticket ticket;     /* of what it waits for; protected by sync->lock, as the next two */
    bool waiting;
    enum sync_error error;
};

enum search_answer { SEARCH_NO, SEARCH_YES, SEARCH_OPEN };

/* A message that may match: its row says nothing against it. */
struct search_match {
    int64_t date, message;
    uint32_t uid;
    uint32_t leg;
    bool sure; /* by its row it meets what the server is asked for, dates in UTC */
    bool here; /* its body is */
    bool out;  /* it does not match */
};

struct sync_search {
    struct sync *sync;
    struct message_query query;
    struct buffer form;          /* the query in its one form */
    bool wants_sure, wants_text; /* terms that the server decides; that the text does */
    bool wants_here;             /* of these, one that the server cannot be asked about */
    struct search_leg *legs;
    size_t leg_count;
    struct search_match *matches;
    size_t match_count, match_room;
    int64_t *likely; /* of those whose bodies are here, the ones that may match, ascending */
    size_t likely_count;
    bool narrowed;  /* the index could tell: `likely` holds */
    int64_t *names; /* the ones whose envelopes may match, ascending */
    size_t names_count;
    bool named;      /* the index could tell: `names` holds */
    uint64_t looked; /* texts that were looked into */
    int64_t *bodies; /* messages whose bodies are here, ascending; only where wants_text */
    size_t body_count;
    bool offline;
    uint64_t undecided;         /* messages */
    unsigned unlisted;          /* mailboxes */
    enum sync_error unanswered; /* why some mailbox gave no answer */
    char refusal[200];
    pthread_cond_t told; /* with sync->lock */
    bool cancelled;      /* protected by sync->lock */
};

/* The search is to end, or the mount does. */
bool search_cancelled(struct sync_search *search);
/* A sync_done_fn: the leg was told. */
void search_told(void *leg, enum sync_error error);
/* The mailboxes that it is about; SYNC_ERR_INVALID with the cause in `why` (SYNC_TEXT_MAX). */
enum sync_error search_scope(struct sync_search *search, char *why);

/* search_ask.c */

/* Whether a term's words may go out as they are. */
bool ask_is_ascii(const char *text);
/* A term that the server decides; one about text; one about the rows of the listing. */
bool ask_is_sure(const struct message_query_term *term);
bool ask_is_text(const struct message_query_term *term);
bool ask_is_row(const struct message_query_term *term);
/* Appends the criteria of `which`; stays empty where there is nothing to ask. */
bool ask_criteria(const struct message_query *query, unsigned which, struct buffer *out);
struct search_ask *ask_new(const struct message_query *query, bool text);
void ask_drop_locked(struct search_ask **ask);
/* Asks for a leg; told through leg->waiting. */
void ask_start(struct search_leg *leg);
/* Whether the answer `which` has the UID. */
bool ask_has(const struct search_ask *ask, unsigned which, uint32_t uid);

void search_start(struct worker *w, struct job *job);
/* A SEARCH response, while the worker has searches on their way. */
void search_response(struct worker *w, const struct imap_search *found);

/* search_match.c */

/* Whose bodies are here. */
enum sync_error match_bodies(struct sync_search *search);
/* Goes over the rows of a leg and notes those that may match. */
enum sync_error match_rows(struct search_leg *leg);
/* The same for all legs, where only `messages` (ascending) are to be looked at. `whole`: every
 * message has its body here. */
enum sync_error match_listed(struct sync_search *search, const int64_t *messages, size_t count,
                             bool whole);
/* What the leg's answer leaves of its match, before its text is looked at. SEARCH_OPEN: that is to
 * decide. */
enum search_answer match_by_answer(struct sync_search *search, const struct search_match *match);
/* Decides by the message itself. SEARCH_OPEN: it cannot be read. */
enum search_answer match_by_text(struct sync_search *search, const struct search_match *match);

/* search_narrow.c: asks the index. Of envelopes: nothing but `names` can match, where it could
 * tell. Of texts: *whole: no message is without its body, so that nothing but `likely` can match;
 * where it is false this is asked once more, after the bodies were listed. */
enum sync_error narrow_envelopes(struct sync_search *search);
enum sync_error narrow_texts(struct sync_search *search, bool *whole);
/* Whether the text of a message whose body is here may match. */
bool narrow_leaves(const struct sync_search *search, int64_t message);

/* search_tell.c: for status. */
void search_note(struct sync_search *search, const struct sync_search_end *end);
void search_notes_free(struct sync *sync);

#endif
