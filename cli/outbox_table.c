/*
 * See outbox.h. Cells quote servers and messages, so each passes the terminal filter. Columns are
 * as wide as their widest cell, counted in characters; a name of another script may stand askew,
 * never wrap into something else. The reason comes last, and may be long.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "cli/outbox.h"

enum { COLUMNS = 8, CELL_MAX = 512 };

static const char *const titles[COLUMNS] = {"ID",   "KIND",    "STATE", "AGE",
                                            "SIZE", "MAILBOX", "NAME",  "REASON"};

struct cells {
    char text[COLUMNS][CELL_MAX];
};

/* ---- rows ---- */

cJSON *outbox_fetch(struct ask *ask, enum cli_exit *code)
{
    return ask_object(ask, "{\"cmd\":\"outbox\"}\n", code);
}

static const cJSON *rows_of(const cJSON *outbox)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(outbox, "outbox");
    return cJSON_IsArray(rows) ? rows : NULL;
}

const cJSON *outbox_find(const cJSON *outbox, int64_t id)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, rows_of(outbox))
    {
        if ((int64_t)ask_number(row, "id") == id)
            return row;
    }
    return NULL;
}

void outbox_describe(const cJSON *row, char *text)
{
    const char *name = ask_text(row, "name"), *mailbox = ask_text(row, "mailbox");
    snprintf(text, CLI_TEXT_MAX, "%.32s%s%.200s%s%.200s", ask_text(row, "kind"),
             name[0] != '\0' ? " " : "", name, mailbox[0] != '\0' ? ", " : "", mailbox);
}

/* ---- cells ---- */

static void age_cell(int64_t seconds, char cell[CELL_MAX])
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {
        {86400, "d"  },
        {3600,  "h"  },
        {60,    "min"},
        {1,     "s"  },
    };
    size_t i = 0;
    seconds = seconds < 0 ? 0 : seconds;
    while (i < 3 && seconds < units[i].seconds)
        i++;
    snprintf(cell, CELL_MAX, "%" PRId64 " %s", seconds / units[i].seconds, units[i].unit);
}

static void size_cell(double bytes, char cell[CELL_MAX])
{
    static const char *const units[] = {"B", "kB", "MB", "GB"};
    size_t i = 0;
    for (; i < 3 && bytes >= 1000; i++)
        bytes /= 1000;
    snprintf(cell, CELL_MAX, "%.*f %s", i > 0 && bytes < 10 ? 1 : 0, bytes, units[i]);
}

static void fill(const cJSON *row, int64_t now, struct cells *cells)
{
    static const char *const members[COLUMNS] = {
        [1] = "kind", [2] = "state", [5] = "mailbox", [6] = "name", [7] = "reason"};
    snprintf(cells->text[0], CELL_MAX, "%" PRId64, (int64_t)ask_number(row, "id"));
    age_cell(now - (int64_t)ask_number(row, "since"), cells->text[3]);
    if (ask_number(row, "size") > 0)
        size_cell(ask_number(row, "size"), cells->text[4]);
    else
        strcpy(cells->text[4], "-");
    for (size_t i = 0; i < COLUMNS; i++) {
        if (members[i] != NULL)
            snprintf(cells->text[i], CELL_MAX, "%s", ask_text(row, members[i]));
        if (cells->text[i][0] == '\0' && i < COLUMNS - 1)
            strcpy(cells->text[i], "-");
        log_make_printable(cells->text[i], strlen(cells->text[i]));
    }
}

/* ---- the table ---- */

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static bool put(const char *cell, size_t width, bool last, struct buffer *out)
{
    size_t pad = last ? 0 : width - characters(cell) + 2;
    return buffer_append_text(out, cell) && buffer_printf(out, "%*s", (int)pad, "");
}

static bool put_line(const struct cells *cells, const size_t *widths, struct buffer *out)
{
    size_t last = COLUMNS - 1;
    while (cells->text[last][0] == '\0')
        last--;
    bool good = true;
    for (size_t i = 0; i <= last && good; i++)
        good = put(cells->text[i], widths[i], i == last, out);
    return good && buffer_append_byte(out, '\n');
}

bool outbox_table(const cJSON *outbox, int64_t now, struct buffer *out)
{
    struct cells cells;
    size_t widths[COLUMNS];
    const cJSON *row;
    for (size_t i = 0; i < COLUMNS; i++)
        widths[i] = strlen(strcpy(cells.text[i], titles[i]));
    struct cells head = cells;
    cJSON_ArrayForEach(row, rows_of(outbox))
    {
        fill(row, now, &cells);
        for (size_t i = 0; i < COLUMNS; i++)
            widths[i] =
                characters(cells.text[i]) > widths[i] ? characters(cells.text[i]) : widths[i];
    }
    if (cJSON_GetArraySize(rows_of(outbox)) == 0)
        return buffer_append_text(out, "the outbox is empty\n");
    bool good = put_line(&head, widths, out);
    cJSON_ArrayForEach(row, rows_of(outbox))
    {
        fill(row, now, &cells);
        good = good && put_line(&cells, widths, out);
    }
    return good;
}

bool outbox_lines(const cJSON *outbox, struct buffer *out)
{
    const cJSON *row;
    bool good = true;
    cJSON_ArrayForEach(row, rows_of(outbox))
    {
        char *text = cJSON_PrintUnformatted(row);
        good =
            good && text != NULL && buffer_append_text(out, text) && buffer_append_byte(out, '\n');
        cJSON_free(text);
    }
    return good;
}
