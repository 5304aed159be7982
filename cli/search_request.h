/*
 * What the daemon does with {"cmd":"search"} and {"cmd":"explain"} (requests.h): each runs on a
 * thread of its own, which waits for the server. A client that goes away ends its search.
 */
#ifndef OUTLOOKFS_CLI_SEARCH_REQUEST_H
#define OUTLOOKFS_CLI_SEARCH_REQUEST_H

#include "cli/requests.h"

/* Rows of the table in requests.c. They take the descriptor that came with the request. */
void search_take(struct requests *requests, struct control_request *request,
                 struct control_call *call);
void explain_take(struct requests *requests, struct control_request *request,
                  struct control_call *call);

#endif
