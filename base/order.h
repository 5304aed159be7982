/* Orders of numbers, ascending, for qsort and bsearch. Any thread. */
#ifndef OUTLOOKFS_BASE_ORDER_H
#define OUTLOOKFS_BASE_ORDER_H

int order_u32(const void *a, const void *b); /* uint32_t: UIDs */
int order_i64(const void *a, const void *b); /* int64_t: rows of the cache */

#endif
