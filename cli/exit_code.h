/* What sync's errors are to the command (CONTRACT.md section 5). Pure. */
#ifndef OUTLOOKFS_CLI_EXIT_CODE_H
#define OUTLOOKFS_CLI_EXIT_CODE_H

#include "cli/report.h"
#include "sync/sync.h"

enum cli_exit exit_code_of(enum sync_error error);

/* A few words, for an error that came without a reason. */
const char *exit_code_text(enum sync_error error);

#endif
