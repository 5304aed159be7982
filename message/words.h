/*
 * Mends base64 encoded words (RFC 2047) before GMime decodes them. Any thread. Internal to
 * message/.
 */
#ifndef OUTLOOKFS_MESSAGE_WORDS_H
#define OUTLOOKFS_MESSAGE_WORDS_H

/* `raw` with each run of neighbouring base64 words of one charset written as one word, whose
 * padding is complete. All else stays. Allocated (g_free). */
char *message_words_join(const char *raw);

#endif
