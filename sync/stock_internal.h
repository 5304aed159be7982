/* What stock.c and stock_fill.c share. Each takes the lock of the stock for itself. */
#ifndef OUTLOOKFS_SYNC_STOCK_INTERNAL_H
#define OUTLOOKFS_SYNC_STOCK_INTERNAL_H

#include "sync/stock.h"

/* Its thread. Asks for what `box`, a copy, lacks, and waits until it is here or is known not to
 * come; `box` and the stock say then how it stands. An error that is not of the mailbox holds for
 * the next one, too. */
enum sync_error stock_fill(struct stock *stock, struct stock_box *box);

/* What only says that this mailbox is not to be had, or SYNC_OK. */
bool stock_of_the_mailbox(enum sync_error error);

bool stock_ending(struct stock *stock);
/* Puts what is known of the mailbox into the stock; what others want of it meanwhile stands. */
void stock_note(struct stock *stock, const struct stock_box *box);

#endif
