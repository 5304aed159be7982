/* What a person can do about an error of the sign-in server: the table of codes that people meet
 * (OUTLOOK.md section 6). Pure. Internal to auth/. */
#ifndef OUTLOOKFS_AUTH_ADVICE_H
#define OUTLOOKFS_AUTH_ADVICE_H

#include <stdbool.h>

struct auth_advice {
    const char *cause, *step; /* halves of a sentence */
    bool again;               /* the step ends with signing in (again) */
};

/* By AADSTS code, else by OAuth's error word; never NULL. */
const struct auth_advice *auth_advice_for(const char *word, long code);

#endif
