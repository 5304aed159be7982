/*
 * See html.h. libxml2 reads the markup, as broken as it is, and calls for each element and text: no
 * tree is built, so memory does not grow with the document. What mail is made of: paragraphs and
 * headings part by an empty line, rows and blocks by a line end, cells by " | ", list entries have
 * a bullet or their number, quotations ">", pictures their text in brackets; a link is followed by
 * where it leads, where that is not what it says.
 *
 * Ceilings: HTML_MAX bytes, and DEPTH_MAX open elements: libxml2 looks through the open ones at
 * each end tag. Past that the document ends, with a line that says so.
 */
#include "message/html.h"

#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <string.h>

#include <glib.h>

#include "message/html_lines.h"

enum { DEPTH_MAX = 1024, LINK_MAX = 2048, LIST_DEEP = 64 };

struct html {
    struct lines lines;
    htmlParserCtxtPtr parser;
    int depth;
    bool cut;             /* more elements are open than are read */
    int hidden;           /* open elements whose text is not shown */
    int lists;            /* open lists; of the first LIST_DEEP: */
    int count[LIST_DEEP]; /* the number of the next entry; 0: bullets */
    char link[LINK_MAX];  /* where the open link leads; "": none, or nowhere */
    char said[LINK_MAX];  /* what it says, as far as that fits */
    size_t said_len;
};

enum role {
    HIDDEN,
    PARAGRAPH,
    BLOCK,
    LIST,
    ENTRY,
    ROW,
    CELL,
    QUOTE,
    PRE,
    BREAK,
    RULE,
    IMAGE,
    LINK
};

/* Sorted by name; all other elements change nothing. */
static const struct element {
    const char *name;
    enum role role;
} elements[] = {
    {"a",          LINK     },
    {"address",    BLOCK    },
    {"article",    BLOCK    },
    {"aside",      BLOCK    },
    {"blockquote", QUOTE    },
    {"body",       BLOCK    },
    {"br",         BREAK    },
    {"caption",    BLOCK    },
    {"center",     BLOCK    },
    {"dd",         BLOCK    },
    {"dir",        LIST     },
    {"div",        BLOCK    },
    {"dl",         PARAGRAPH},
    {"dt",         BLOCK    },
    {"fieldset",   BLOCK    },
    {"figcaption", BLOCK    },
    {"figure",     BLOCK    },
    {"footer",     BLOCK    },
    {"form",       BLOCK    },
    {"h1",         PARAGRAPH},
    {"h2",         PARAGRAPH},
    {"h3",         PARAGRAPH},
    {"h4",         PARAGRAPH},
    {"h5",         PARAGRAPH},
    {"h6",         PARAGRAPH},
    {"header",     BLOCK    },
    {"hr",         RULE     },
    {"img",        IMAGE    },
    {"legend",     BLOCK    },
    {"li",         ENTRY    },
    {"main",       BLOCK    },
    {"menu",       LIST     },
    {"nav",        BLOCK    },
    {"ol",         LIST     },
    {"p",          PARAGRAPH},
    {"pre",        PRE      },
    {"script",     HIDDEN   },
    {"section",    BLOCK    },
    {"style",      HIDDEN   },
    {"table",      PARAGRAPH},
    {"td",         CELL     },
    {"template",   HIDDEN   },
    {"th",         CELL     },
    {"title",      HIDDEN   },
    {"tr",         ROW      },
    {"ul",         LIST     },
};

static int compare(const void *name, const void *element)
{
    return strcmp(name, ((const struct element *)element)->name);
}

static const struct element *find(const xmlChar *name)
{
    const char *local = strrchr((const char *)name, ':');
    if (local != NULL) /* <o:p> of Word, and its brothers */
        return NULL;
    return bsearch(name, elements, G_N_ELEMENTS(elements), sizeof *elements, compare);
}

static const char *attribute(const xmlChar **attributes, const char *name)
{
    for (; attributes != NULL && attributes[0] != NULL; attributes += 2) {
        if (strcmp((const char *)attributes[0], name) == 0 && attributes[1] != NULL)
            return (const char *)attributes[1];
    }
    return NULL;
}

/* The ends of links that say nothing to a reader: places in the document, scripts, data. */
static bool leads_somewhere(const char *href)
{
    static const char *const schemes[] = {"http:", "https:", "ftp:", "mailto:", "tel:", "//"};
    for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (g_ascii_strncasecmp(href, schemes[i], strlen(schemes[i])) == 0)
            return true;
    }
    return false;
}

static void begin_link(struct html *html, const xmlChar **attributes)
{
    const char *href = attribute(attributes, "href");
    html->link[0] = '\0';
    html->said_len = 0;
    if (href == NULL)
        return;
    href += strspn(href, " \t\r\n");
    size_t len = strcspn(href, " \t\r\n<>");
    if (leads_somewhere(href) && len < LINK_MAX) {
        memcpy(html->link, href, len);
        html->link[len] = '\0';
    }
}

/* Whether the link's text is where it leads, with or without scheme and last slash. */
static bool says_itself(const struct html *html)
{
    char said[LINK_MAX], link[LINK_MAX];
    memcpy(said, html->said, html->said_len);
    said[html->said_len] = '\0';
    g_strlcpy(link, html->link, sizeof link);
    char *texts[2] = {g_strstrip(said), link};
    for (int i = 0; i < 2; i++) {
        static const char *const heads[] = {"http://", "https://", "mailto:", "tel:", "//"};
        for (size_t n = 0; n < G_N_ELEMENTS(heads); n++) {
            if (g_ascii_strncasecmp(texts[i], heads[n], strlen(heads[n])) == 0)
                texts[i] += strlen(heads[n]);
        }
        size_t len = strlen(texts[i]);
        if (len > 0 && texts[i][len - 1] == '/')
            texts[i][len - 1] = '\0';
    }
    return g_ascii_strcasecmp(texts[0], texts[1]) == 0;
}

static void end_link(struct html *html)
{
    if (html->link[0] != '\0' && html->hidden == 0 && !says_itself(html)) {
        char *text = g_strdup_printf("<%s>", html->link);
        lines_word(&html->lines, text, strlen(text));
        g_free(text);
    }
    html->link[0] = '\0';
}

static void begin_list(struct html *html, const xmlChar *name, const xmlChar **attributes)
{
    lines_break(&html->lines, html->lists == 0 ? 2 : 1);
    if (html->lists < LIST_DEEP) {
        const char *start = attribute(attributes, "start");
        gint64 first = start != NULL ? g_ascii_strtoll(start, NULL, 10) : 1;
        bool numbered = strcmp((const char *)name, "ol") == 0;
        html->count[html->lists] = !numbered ? 0 : first > 0 && first < 1000000 ? (int)first : 1;
    }
    html->lists++;
    html->lines.indent++;
}

static void end_list(struct html *html)
{
    if (html->lists > 0)
        html->lists--;
    if (html->lines.indent > 0)
        html->lines.indent--;
    html->lines.bullet[0] = '\0';
    lines_break(&html->lines, html->lists == 0 ? 2 : 1);
}

static void begin_entry(struct html *html)
{
    int *count = html->lists > 0 && html->lists <= LIST_DEEP ? &html->count[html->lists - 1] : NULL;
    lines_break(&html->lines, 1);
    if (count != NULL && *count > 0)
        snprintf(html->lines.bullet, sizeof html->lines.bullet, "%d. ", (*count)++);
    else
        strcpy(html->lines.bullet, "- ");
}

static void show_image(struct html *html, const xmlChar **attributes)
{
    const char *alt = attribute(attributes, "alt");
    if (alt == NULL || alt[strspn(alt, " \t\r\n")] == '\0')
        return;
    lines_text(&html->lines, "[", 1);
    lines_text(&html->lines, alt, strlen(alt));
    lines_text(&html->lines, "]", 1);
}

static void begin_shown(struct html *html, enum role role, const xmlChar *name,
                        const xmlChar **attributes)
{
    struct lines *lines = &html->lines;
    switch (role) {
    case PARAGRAPH:
        lines_break(lines, 2);
        break;
    case BLOCK:
    case ROW:
        lines_break(lines, 1);
        break;
    case LIST:
        begin_list(html, name, attributes);
        break;
    case ENTRY:
        begin_entry(html);
        break;
    case CELL:
        lines_cell(lines);
        break;
    case QUOTE:
        lines_break(lines, 2);
        lines->quote++;
        break;
    case PRE:
        lines_break(lines, 2);
        lines->pre++;
        break;
    case BREAK:
        lines_newline(lines);
        break;
    case RULE:
        lines_break(lines, 1);
        lines_word(lines, "----------------------------------------", 40);
        lines_break(lines, 1);
        break;
    case IMAGE:
        show_image(html, attributes);
        break;
    case LINK:
        begin_link(html, attributes);
        break;
    case HIDDEN:
        break;
    }
}

static void end_shown(struct html *html, enum role role)
{
    struct lines *lines = &html->lines;
    switch (role) {
    case PARAGRAPH:
        lines_break(lines, 2);
        break;
    case BLOCK:
    case ROW:
        lines_break(lines, 1);
        break;
    case ENTRY:
        lines_break(lines, 1);
        lines->bullet[0] = '\0';
        break;
    case LIST:
        end_list(html);
        break;
    case QUOTE:
        lines_break(lines, 2);
        lines->quote -= lines->quote > 0;
        break;
    case PRE:
        lines->pre -= lines->pre > 0;
        lines_break(lines, 2);
        break;
    case LINK:
        end_link(html);
        break;
    default:
        break;
    }
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar **attributes)
{
    struct html *html = ctx;
    const struct element *element = find(name);
    if (++html->depth > DEPTH_MAX || html->lines.stopped) {
        html->cut |= html->depth > DEPTH_MAX;
        xmlStopParser(html->parser); /* which ends what is open, and so takes `depth` down */
        return;
    }
    if (element == NULL)
        return;
    if (element->role == HIDDEN)
        html->hidden++;
    else if (html->hidden == 0)
        begin_shown(html, element->role, name, attributes);
}

static void on_end(void *ctx, const xmlChar *name)
{
    struct html *html = ctx;
    const struct element *element = find(name);
    html->depth -= html->depth > 0;
    if (element == NULL)
        return;
    if (element->role == HIDDEN)
        html->hidden -= html->hidden > 0;
    else if (html->hidden == 0)
        end_shown(html, element->role);
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
    struct html *html = ctx;
    if (html->hidden > 0 || len <= 0)
        return;
    size_t room = LINK_MAX - 1 - html->said_len;
    size_t keep = (size_t)len < room ? (size_t)len : room;
    if (html->link[0] != '\0') {
        memcpy(html->said + html->said_len, text, keep);
        html->said_len += keep;
    }
    lines_text(&html->lines, (const char *)text, (size_t)len);
}

__attribute__((format(printf, 2, 3))) static void on_complaint(void *ctx, const char *format, ...)
{
}

/* Word's and Outlook's "<![if !mso]>" and "<![endif]>" would be text to libxml2: they are made
 * processing instructions, which are not shown. Within a comment, as in "<![endif]-->", they are
 * left alone. */
static void hide_conditions(char *html, size_t len)
{
    enum { CONDITION_MAX = 200 };
    char *end = html + len;
    for (char *p = html; (p = memmem(p, (size_t)(end - p), "<![", 3)) != NULL; p += 3) {
        size_t room = (size_t)(end - p) < CONDITION_MAX ? (size_t)(end - p) : CONDITION_MAX;
        char *close = memmem(p, room, "]>", 2);
        if (close == NULL || memchr(p + 1, '<', (size_t)(close - p - 1)) != NULL)
            continue;
        p[1] = '?';
        memset(p + 2, 'x', (size_t)(close - p - 1));
    }
}

enum message_result html_to_text(char *text, size_t len, bool whole,
                                 const struct message_sink *sink)
{
    static const char cut[] = "[the rest of this part is not shown]";
    struct html *html = g_new0(struct html, 1);
    lines_begin(&html->lines, sink);
    hide_conditions(text, len);
    if (len > 0)
        html->parser = htmlCreateMemoryParserCtxt(text, (int)(len < HTML_MAX ? len : HTML_MAX));
    if (html->parser != NULL) {
        htmlSAXHandler handler = {
            .startElement = on_start,
            .endElement = on_end,
            .characters = on_text,
            .ignorableWhitespace = on_text,
            .cdataBlock = on_text,
            .warning = on_complaint,
            .error = on_complaint,
        };
        htmlParserCtxtPtr parser = html->parser;
        htmlSAXHandlerPtr own = parser->sax;
        htmlCtxtUseOptions(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                       HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
        xmlSwitchEncoding(parser, XML_CHAR_ENCODING_UTF8);
        parser->sax = &handler;
        parser->userData = html;
        htmlParseDocument(parser);
        parser->sax = own;
        htmlFreeParserCtxt(parser);
    }
    if (html->cut || !whole || len > HTML_MAX) {
        lines_break(&html->lines, 2);
        lines_word(&html->lines, cut, sizeof cut - 1);
    }
    bool good = lines_end(&html->lines) && (len == 0 || html->parser != NULL);
    bool stopped = html->lines.stopped;
    g_free(html);
    return good ? MESSAGE_OK : stopped ? MESSAGE_STOPPED : MESSAGE_NO_MEMORY;
}

char *html_charset(const char *html, size_t len)
{
    enum { LOOK_AT = 2048 };
    char *head = g_ascii_strdown(html, (gssize)(len < LOOK_AT ? len : LOOK_AT));
    char *charset = NULL;
    for (char *meta = strstr(head, "<meta"); meta != NULL && charset == NULL;
         meta = strstr(meta + 1, "<meta")) {
        size_t tag = strcspn(meta, ">");
        char *at = g_strstr_len(meta, (gssize)tag, "charset=");
        if (at == NULL)
            continue;
        at += strlen("charset=");
        at += strspn(at, " \"'");
        charset = g_strndup(at, strcspn(at, " \"'/>;"));
    }
    g_free(head);
    return charset;
}
