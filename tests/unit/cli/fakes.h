/* sync and fs as test_command.c wants them: they fail as told and touch nothing. */
#ifndef OUTLOOKFS_TESTS_UNIT_CLI_FAKES_H
#define OUTLOOKFS_TESTS_UNIT_CLI_FAKES_H

#include "sync/sync.h"

extern enum sync_error fake_sync_error; /* what sync_start returns */
extern const char *fake_sync_text;      /* and says */

#endif
